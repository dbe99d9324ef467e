"""The calls about groups of tasks."""
