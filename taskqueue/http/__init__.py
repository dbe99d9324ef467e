"""The HTTP face of the queue: routes, schemas, nothing about rows."""
