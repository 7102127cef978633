"""Django's PostgreSQL, whose connections survive a server that restarts (`base.py`)."""
