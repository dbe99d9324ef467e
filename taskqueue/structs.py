"""A word: an immutable value, made with keywords, cheap to make by the thousand."""

from typing import dataclass_transform

import msgspec


# The decorator tells type checkers what msgspec does at run time: subclasses are frozen as well.
@dataclass_transform(kw_only_default=True, frozen_default=True)
class Struct(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all values: tasks, outcomes, messages.

    `gc=False`: they hold no cycle. What can, such as a message with an exception in it, says so.
    """
