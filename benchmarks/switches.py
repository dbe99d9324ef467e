"""What the commands read from their switches."""

import argparse


def natural(text: str) -> int:
    """Return a number that is 1 at least.

    Raises:
        argparse.ArgumentTypeError: it is not.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)
