"""Pages of lists by name, bounded in entries and in bytes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, takewhile
from typing import Annotated, Generic, NamedTuple, TypeVar

from msgspec import Meta

from taskqueue.http.queries import Parameter, Query, whole_number
from taskqueue.rules.names import NAME_SCHEMA, is_name
from taskqueue.structs import Struct

T = TypeVar("T")

MAX_PAGE_BYTES = 4 << 20  # of what users have written, unless one entry alone has more
MAX_NAMED = 1_000  # entries that have names, in one answer


class NamesRequest(Struct):
    """Which part of a list by name is shown."""

    limit: int = MAX_NAMED
    cursor: str | None = None


NAMES = Query(
    NamesRequest,
    {
        "limit": whole_number(1, MAX_NAMED),
        "cursor": Parameter(
            lambda text: text if is_name(text) else None,
            "what another answer had as `next`",
            Annotated[str, Meta(extra_json_schema=NAME_SCHEMA)],
        ),
    },
)


def fitting(sizes: Iterable[int], max_bytes: int = MAX_PAGE_BYTES) -> int:
    """Return how many of the first entries fit, by their sizes in bytes; one does in any case.

    >>> fitting([3, 4, 5], 7), fitting([9, 1], 7), fitting([], 7)
    (2, 1, 0)
    """
    sizes = [*sizes]
    count = sum(1 for _ in takewhile(lambda total: total <= max_bytes, accumulate(sizes)))
    return max(1, count) if sizes else 0


class NamedPage(NamedTuple, Generic[T]):
    """Some entries, by name. `next` is the cursor of the page after this one, or None."""

    entries: Sequence[T]
    next: str | None


def page_of(
    entries: Sequence[T],
    asked: NamesRequest,
    *,
    name_of: Callable[[T], str],
    size_of: Callable[[T], int],
) -> NamedPage[T]:
    """Return the page that is asked for of all `entries`, which are sorted by name."""
    cursor = asked.cursor
    left = [each for each in entries if cursor is None or name_of(each) > cursor]
    shown = left[: fitting(map(size_of, left[: asked.limit]))]
    return NamedPage(shown, name_of(shown[-1]) if len(shown) < len(left) else None)
