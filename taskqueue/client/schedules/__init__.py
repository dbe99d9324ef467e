"""Schedules as clients see and change them."""
