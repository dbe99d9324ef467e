"""`GET /events`: what happens in the service, as server-sent events."""
