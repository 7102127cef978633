"""`make up`: the processes of an embedded instance, held by two supervisord trees.

The launcher itself is small and knows no Django: it checks the machine, makes
the keys, migrates, starts both trees, watches them, and stops what it started.
"""
