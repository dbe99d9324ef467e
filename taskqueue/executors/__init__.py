"""Where handlers run: on the consumer's loop, or in a thread beside it."""
