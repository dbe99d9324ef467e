"""The queue actor and its parts: dispatch, leases, settlements, dead letters."""
