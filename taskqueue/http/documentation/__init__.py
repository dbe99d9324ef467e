"""The documentation that the service serves of itself, made from the route table."""
