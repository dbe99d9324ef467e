"""What a statement of a handler may be: an allow-list over the words that it begins with.

These words say what PostgreSQL will do. So no statement ends the transaction that it shares with
its ack, nor reaches beyond the database. What it does inside is judged by its `footprint`.
"""

import re
from collections.abc import Iterator

_VERBS = frozenset(
    {
        *("SELECT", "VALUES", "TABLE", "WITH"),
        *("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"),
        *("COMMENT", "REFRESH", "REINDEX"),
    }
)
_OF_OBJECTS = frozenset({"CREATE", "ALTER", "DROP"})
_OBJECTS = frozenset(
    {
        *("TABLE", "INDEX", "VIEW", "SEQUENCE", "TRIGGER", "FUNCTION"),
        *("TYPE", "DOMAIN", "SCHEMA", "STATISTICS"),
    }
)
# They stand between the verb and the object.
_ADJECTIVES = frozenset(
    {"OR", "REPLACE", "UNIQUE", "UNLOGGED", "MATERIALIZED", "RECURSIVE", "CONSTRAINT"}
)

_TOKEN = re.compile(
    r"""
    (?P<space> [ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<opening> /\* )
    | (?P<parenthesis> \( )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
    """,
    re.VERBOSE,
)
_COMMENT_ENDS = re.compile(r"/\*|\*/")  # they nest


def refusal(sql: str) -> str | None:
    """Return what this statement may not do, None if it may be tried.

    >>> refusal("/* all */ (SELECT 1)"), refusal("COMMIT"), refusal("CREATE TEMP TABLE mine ()")
    (None, 'COMMIT', 'CREATE TEMP')
    """
    words = _words(sql)
    verb = next(words, None)
    if verb is None:
        return "be anything but SQL"
    if verb in _VERBS:
        return None
    if verb not in _OF_OBJECTS:
        return verb
    named = next((word for word in words if word not in _ADJECTIVES), "")
    return None if named in _OBJECTS else f"{verb} {named}".rstrip()


def _words(sql: str) -> Iterator[str]:
    """Yield the words that a statement begins with; skip comments and opening parentheses."""
    place = 0
    while (token := _TOKEN.match(sql, place)) is not None:
        place = token.end()
        if token.lastgroup == "opening":
            place = _end_of_comment(sql, place)
        elif token.lastgroup == "word":
            yield token.group().upper()


def _end_of_comment(sql: str, place: int) -> int:
    depth = 1
    while depth:
        end = _COMMENT_ENDS.search(sql, place)
        if end is None:
            return len(sql)
        depth += 1 if end.group() == "/*" else -1
        place = end.end()
    return place
