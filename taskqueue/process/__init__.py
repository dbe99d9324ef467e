"""This process: what it got from its parent, what its children get from it, and its end."""
