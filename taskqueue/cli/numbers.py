"""Numbers within bounds, called by what they are when a value is refused."""

import click


class Integer(click.IntRange):
    """An integer within bounds; click calls it an integer range, also in its errors."""

    name = "integer"


class Number(click.FloatRange):
    """A number within bounds; click calls it a float range, also in its errors."""

    name = "number"
