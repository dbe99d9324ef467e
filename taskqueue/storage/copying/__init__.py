"""Copies all that a database keeps into another one, while no service runs on either."""
