"""Whether this process is the service of an application, and imports its modules as such."""

is_service = False
