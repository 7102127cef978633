"""What `make bench` measures: our figures beside the machine's own floors, taken in one run."""
