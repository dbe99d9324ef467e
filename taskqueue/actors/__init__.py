"""The actors: a runtime on pykka, and the roles that live on it."""
