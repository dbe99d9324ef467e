"""Says no to a limit that is none: SQL would take a negative one for "all"."""


def check_limit(limit: int) -> None:
    """Raise `ValueError` if `limit`, a number of tasks, is negative."""
    if limit < 0:
        raise ValueError(f"limit must not be negative, and is {limit}")
