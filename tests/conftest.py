"""Fixtures of all tests: those that are shipped for users."""

pytest_plugins = ("taskqueue.testing.fixtures",)
