"""What a statement of a handler may do: an allow-list over the actions that SQLite asks about.

SQLite names each action while it compiles a statement, with the triggers and views that the
statement goes through. Everything that is not listed here is refused, so a new release of SQLite
cannot add a way out. Only the schema `main` is in reach: a temporary table would hide one of ours.
"""

import sqlite3
from contextlib import closing
from functools import cache

# `json_each` is a function that our statements use; a table of that name would hide it.
QUEUE_TABLES = frozenset(
    {
        *("tasks", "attempts", "counters", "paused", "probe", "access_tokens", "audited_changes"),
        *("task_limits", "held_slots", "gate_debts", "gate_openings"),
        *("flow_turns", "served_turns", "task_schedules", "schedule_slots"),
        *("task_groups", "consumer_sizes"),
        "json_each",
    }
)

# SQLite writes these itself for CREATE, ALTER and DROP. It refuses a direct write to the first; a
# handler could misuse the others for tables that are not its own.
_SCHEMA = "sqlite_master"
_KEPT_BY_SQLITE = frozenset({"sqlite_sequence", "sqlite_stat1", "sqlite_stat4"})
_TEMPORARY_SCHEMA = "sqlite_temp_master"

_MODULES = frozenset({"fts5", "rtree", "rtree_i32"})
_TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})

_FUNCTIONS = frozenset(
    """
    -> ->> abs changes char coalesce concat concat_ws format glob hex if ifnull iif instr
    last_insert_rowid length like likelihood likely lower ltrim match max min nullif octet_length
    printf quote random randomblob regexp replace round rtrim sign soundex sqlite_version substr
    substring total_changes trim typeof unhex unicode unistr unistr_quote unlikely upper zeroblob

    current_date current_time current_timestamp date datetime julianday strftime time timediff
    unixepoch

    acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2
    mod pi pow power radians sin sinh sqrt tan tanh trunc

    avg count group_concat median percentile percentile_cont percentile_disc string_agg sum total

    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
    row_number

    json json_array json_array_insert json_array_length json_error_position json_extract
    json_group_array json_group_object json_insert json_object json_patch json_pretty json_quote
    json_remove json_replace json_set json_type json_valid jsonb jsonb_array jsonb_array_insert
    jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch
    jsonb_remove jsonb_replace jsonb_set

    bm25 fts5_get_locale fts5_insttoken fts5_locale highlight snippet
    """.split()  # noqa: SIM905  one name a line would fill two pages
) | frozenset(
    # ALTER TABLE calls these; SQLite lets no statement of a user name them.
    {
        "sqlite_add_constraint",
        "sqlite_drop_column",
        "sqlite_drop_constraint",
        "sqlite_fail",
        "sqlite_find_constraint",
        "sqlite_rename_column",
        "sqlite_rename_quotefix",
        "sqlite_rename_table",
        "sqlite_rename_test",
    }
)

# Full-text search reads these two.
_PRAGMAS = frozenset({"data_version", "page_size"})
# ALTER TABLE checks a new constraint with this one; by itself it would read the whole file.
_CHECK = "quick_check"

_HARMLESS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_REINDEX,  # as CREATE INDEX does; it changes nothing that can be read
    }
)
_ROW_CHANGES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
# The table stands in the first or in the second argument.
_SCHEMA_CHANGES = {
    sqlite3.SQLITE_CREATE_TABLE: 0,
    sqlite3.SQLITE_CREATE_VIEW: 0,
    sqlite3.SQLITE_CREATE_VTABLE: 0,
    sqlite3.SQLITE_DROP_TABLE: 0,
    sqlite3.SQLITE_DROP_VIEW: 0,
    sqlite3.SQLITE_DROP_VTABLE: 0,
    sqlite3.SQLITE_CREATE_INDEX: 1,
    sqlite3.SQLITE_DROP_INDEX: 1,
    sqlite3.SQLITE_CREATE_TRIGGER: 1,
    sqlite3.SQLITE_DROP_TRIGGER: 1,
    sqlite3.SQLITE_ALTER_TABLE: 1,
}
_OF_A_MODULE = frozenset({sqlite3.SQLITE_CREATE_VTABLE, sqlite3.SQLITE_DROP_VTABLE})

_REACHING_FURTHER = {
    sqlite3.SQLITE_TRANSACTION: "touch the transaction",
    sqlite3.SQLITE_SAVEPOINT: "touch the transaction",
    sqlite3.SQLITE_ATTACH: "attach files",
    sqlite3.SQLITE_DETACH: "detach files",
    sqlite3.SQLITE_ANALYZE: "analyze",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "make temporary objects",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "make temporary objects",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "make temporary objects",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "make temporary objects",
    sqlite3.SQLITE_DROP_TEMP_TABLE: "drop temporary objects",
    sqlite3.SQLITE_DROP_TEMP_VIEW: "drop temporary objects",
    sqlite3.SQLITE_DROP_TEMP_TRIGGER: "drop temporary objects",
    sqlite3.SQLITE_DROP_TEMP_INDEX: "drop temporary objects",
}


class Permissions:
    """Decides about the actions of one statement, in the order in which SQLite names them."""

    def __init__(self) -> None:
        self.refused: str | None = None
        """The first thing that the statement may not do."""
        self.changes_schema = False
        self._alters = False

    def authorize(
        self,
        action: int,
        first: str | None,
        second: str | None,
        database: str | None,
        _trigger: str | None,
    ) -> int:
        """Return SQLite's code for yes or no."""
        refusal = self._refusal(action, first or "", second or "", database)
        if refusal is None:
            return sqlite3.SQLITE_OK
        self.refused = self.refused or refusal
        return sqlite3.SQLITE_DENY

    def _refusal(self, action: int, first: str, second: str, database: str | None) -> str | None:
        if action in _HARMLESS:
            return None
        if action == sqlite3.SQLITE_FUNCTION:
            return None if second.lower() in _FUNCTIONS else f"call {second}()"
        if action == sqlite3.SQLITE_PRAGMA:
            allowed = first in _PRAGMAS or (self._alters and first == _CHECK)
            return None if allowed else "use pragmas"
        if action == sqlite3.SQLITE_READ:
            return self._refusal_to_read(first.lower(), database)
        if action in _ROW_CHANGES:
            return self._refusal_to_change_rows(first.lower(), database)
        if action in _SCHEMA_CHANGES:
            if action == sqlite3.SQLITE_ALTER_TABLE:
                database = first
            table = (first, second)[_SCHEMA_CHANGES[action]].lower()
            module = second.lower() if action in _OF_A_MODULE else None
            return self._refusal_to_change_schema(action, table, database, module)
        return _REACHING_FURTHER.get(action, "do this")

    def _refusal_to_read(self, table: str, database: str | None) -> str | None:
        if table == _TEMPORARY_SCHEMA and self._alters:
            return None
        if database not in (None, "main") or table.startswith("sqlite_temp_"):
            return "read temporary objects"
        if table == f"pragma_{_CHECK}" and self._alters:
            return None
        if table.startswith("pragma_"):
            return "use pragmas"
        return f"read {table}" if table in _refused_modules() else None

    def _refusal_to_change_rows(self, table: str, database: str | None) -> str | None:
        if table == _TEMPORARY_SCHEMA and self._alters:
            return None
        if database != "main":
            return "make temporary objects"
        if table in _KEPT_BY_SQLITE:
            return None if self.changes_schema else f"change {table}, which belongs to SQLite"
        return _refusal_of_name(table)

    def _refusal_to_change_schema(
        self, action: int, table: str, database: str | None, module: str | None
    ) -> str | None:
        if database != "main":
            return "make temporary objects"
        if module is not None and module not in _MODULES:
            return f"use the module {module}"
        if (refusal := _refusal_of_name(table)) is not None:
            return refusal
        self.changes_schema = True
        self._alters |= action == sqlite3.SQLITE_ALTER_TABLE
        return None


def _refusal_of_name(table: str) -> str | None:
    if table in QUEUE_TABLES:
        return f"change {table}, which belongs to the queue"
    known = table in {_SCHEMA, *_KEPT_BY_SQLITE} or not table.startswith("sqlite_")
    return None if known else f"change {table}, which belongs to SQLite"


@cache
def _refused_modules() -> frozenset[str]:
    """Return the virtual tables of this SQLite that could be read without being created."""
    with closing(sqlite3.connect(":memory:")) as db:
        found = {name.lower() for [name] in db.execute("PRAGMA module_list")}
    return frozenset(found - _MODULES - _TABLE_FUNCTIONS)
