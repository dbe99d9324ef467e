"""How often a node asks the storage what others have committed.

Polling is the truth: a notice may be missed. Nodes that have nothing to do, and are told when that
changes, poll more and more seldom, but never stop.
"""

POLL_S = 0.5
"""How often a node polls that has work, or that does not receive notices."""

LONGEST_S = 2.0
"""How often one polls at least: with each heartbeat."""


def slower(period_s: float) -> float:
    """Return the period after another poll that has found nothing to do.

    >>> slower(0.5), slower(1.0), slower(2.0)
    (1.0, 2.0, 2.0)
    """
    return min(2 * period_s, LONGEST_S)
