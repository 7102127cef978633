"""git over SSH: nothing else is offered, no shell, no terminal, no forwarding, no files."""
