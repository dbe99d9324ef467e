"""Where handlers run: on the consumer's loop, in a thread beside it, or in a process of its own."""
