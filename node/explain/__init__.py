"""Why things are as they are: tasks, workers and records, explained to the local user."""
