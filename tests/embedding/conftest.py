"""A service inside the test's own loop, as in a program of a user."""

from taskqueue.testing.fixtures import events

__all__ = ["events"]
