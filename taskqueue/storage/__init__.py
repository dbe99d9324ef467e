"""Where tasks are kept: one protocol, several engines."""
