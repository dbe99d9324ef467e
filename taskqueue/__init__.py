"""A durable task queue that supervises itself."""
