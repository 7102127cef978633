"""The `paas` command: a client of the REST API. It imports no room and no Django."""
