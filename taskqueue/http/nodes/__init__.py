"""The calls about nodes."""
