"""What Heroku's clients ask for beside what paas has: so that they go on, and say what to do."""
