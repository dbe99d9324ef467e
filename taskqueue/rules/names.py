r"""What can name an action or a queue, and what can be a unique key.

One pattern is both checked and documented, so that a client that follows the schema is never
refused. It lists what is not printable by code point: what Unicode assigns later is allowed from
the start, and no version of Python knows less than another.

>>> is_name("resize"), is_name(""), is_name("two\nlines")
(True, False, False)
"""

import re

MAX_NAME = 128  # characters
MAX_KEY = 255  # characters

# Controls, spaces other than U+0020, line separators, and characters that are not seen themselves
# but change how others are shown.
UNPRINTABLE = (
    r"\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ufeff\ufff9-\ufffb"
)
"""The inside of a character class."""

# A lone surrogate is no character: JSON and UTF-8 cannot have one, but a `str` can.
_printable = re.compile(rf"[^{UNPRINTABLE}\ud800-\udfff]*")

_PATTERN = f"^[^{UNPRINTABLE}]+$"
NAME_SCHEMA = {"minLength": 1, "maxLength": MAX_NAME, "pattern": _PATTERN}
KEY_SCHEMA = {"minLength": 1, "maxLength": MAX_KEY, "pattern": _PATTERN}
"""In JSON Schema, what `is_name` and `is_key` allow."""

NAME_RULE = f"must be 1 to {MAX_NAME} printable characters"
KEY_RULE = f"must be 1 to {MAX_KEY} printable characters"


def is_name(value: object) -> bool:
    """Tell whether `value` can name an action or a queue."""
    return _is_printable(value, MAX_NAME)


def is_key(value: object) -> bool:
    """Tell whether `value` can be a unique key."""
    return _is_printable(value, MAX_KEY)


def _is_printable(value: object, most: int) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= most
        and _printable.fullmatch(value) is not None
    )
