"""The verbs of the protocol, one module for each of its parts."""
