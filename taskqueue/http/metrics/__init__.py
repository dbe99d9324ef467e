"""`GET /metrics`: what the service has counted, in the text format of Prometheus."""
