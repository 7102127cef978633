"""Cron tasks of app.json: which there are, when they are due, and how they run."""
