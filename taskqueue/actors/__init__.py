"""The roles: what each part of the service does, as an actor."""
