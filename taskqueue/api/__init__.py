"""What user code holds: the app, its actions, the context of an attempt, and verdicts."""
