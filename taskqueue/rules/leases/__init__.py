"""Leases: which consumer has which delivery, and what follows from that. Pure."""
