"""The calls about the supervision tree."""
