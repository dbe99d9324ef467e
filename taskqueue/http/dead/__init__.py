"""The calls about many dead tasks at once."""
