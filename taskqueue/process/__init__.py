"""The own process: what it inherits, what its children inherit, and how it ends."""
