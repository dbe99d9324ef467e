"""The calls about limits."""
