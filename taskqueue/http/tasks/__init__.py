"""The calls about tasks."""
