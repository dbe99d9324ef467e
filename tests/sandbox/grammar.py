"""Draws statements as an attacker would write them, and now and then as a program does."""

import random
import re
from collections.abc import Callable

from taskqueue.rules.tasks import Scalar, Statement
from taskqueue.storage.sqlite.handler_sql.permissions import QUEUE_TABLES
from taskqueue.testing.contract.sql_samples import FORBIDDEN
from tests.sandbox.hostile import ENDLESS, ENDLESS_STEPS, TOO_LARGE

OWN_TABLES = ("mine", "numbered", "documents", "notes", "areas", "seen", "fresh", "other")
_NAMES = (
    *sorted(QUEUE_TABLES),
    *OWN_TABLES,
    *OWN_TABLES,
    "json_each",
    "sqlite_master",
    "sqlite_sequence",
)
_MORE_NAMES = ("sqlite_temp_master", "sqlite_stat1", "dbstat", "sqlite_stmt", "pragma_table_info")
_SCHEMAS = ("", "", "", "", "", "main.", "main.", "temp.", "other.")
_COLUMNS = ("x", "x", "x", "body", "body", "id", "rowid", "rowid", "seq", "status", "rank")
_MODULES = (
    *(
        "fts5 (text)",
        "fts5 (text, content='tasks')",
        "fts5 (a, content='')",
        "fts5vocab (notes, row)",
    ),
    *(
        "fts5vocab (main, notes, col)",
        "rtree (id, low, high)",
        "rtree_i32 (id, a, b)",
        "fts4 (text)",
    ),
    *(
        "fts3 (text)",
        "fts4aux (notes)",
        "fts3tokenize (simple)",
        "dbstat",
        "json_each",
        "sqlite_stmt",
    ),
    *(
        "fts5 (text, prefix='1 2 3')",
        "fts5 (text, tokenize='trigram')",
        "csv (filename='/etc/passwd')",
    ),
)
_PRAGMAS = (
    *(
        "writable_schema",
        "user_version",
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "cache_spill",
    ),
    *(
        "hard_heap_limit",
        "temp_store",
        "quick_check",
        "integrity_check",
        "data_version",
        "page_size",
    ),
    *("trusted_schema", "wal_checkpoint", "incremental_vacuum", "auto_vacuum", "query_only"),
    *("locking_mode", "max_page_count", "recursive_triggers", "case_sensitive_like", "optimize"),
    *("table_info", "database_list", "function_list", "module_list", "shrink_memory", "threads"),
)
_FUNCTIONS = (
    *("abs(-9223372036854775808)", "hex(zeroblob(8000000))", "randomblob(-1)", "zeroblob(1e9)"),
    *(
        "fts3_tokenizer('simple')",
        "fts3_tokenizer('a', x'0000000000000000')",
        "load_extension('x')",
    ),
    *(
        "sqlite_log(1, 'x')",
        "rtreecheck('main', 'tasks')",
        "printf('%.*c', 99999999, 'x')",
        "fts5(1)",
    ),
    *(
        "printf('%1000000d', 1)",
        "json_extract('[1]', '$[0]')",
        "json_group_array(1)",
        "bm25(notes)",
    ),
    *("snippet(notes, 0, '', '', '', 64)", "highlight(notes, 0, '<', '>')", "matchinfo(notes)"),
    *("char(0, 1114112)", "quote(zeroblob(100000))", "strftime('%s', 'now')", "changes()"),
    *(
        "replace(printf('%.*c', 100000, 'a'), 'a', 'bb')",
        "soundex('x')",
        "unknown(1)",
        "likelihood(1, 0.5)",
    ),
    *(
        "sum(9e999) OVER ()",
        "total_changes()",
        "sqlite_rename_table(0, 0, 0, 0, 0, 0, 0)",
        "edit(1)",
    ),
    *("instr(body, body)", "length(body)", "group_concat(body, body)", "writefile('x', 'y')"),
)
_VALUES: tuple[Scalar, ...] = (
    *(None, 0, 1, -1, 2**63 - 1, -(2**63), 0.5, float("inf"), "", "a", "tasks", "optimize"),
    *("rebuild", "integrity-check", "a AND NEAR(b c, 2) OR d*", '"', "\0", b"", b"\0" * 1000),
    *("%a" * 400, "[" * 900, "a" * 200_000, "ä" * 5000),
)
_OR = ("", "", "", " OR ROLLBACK", " OR ABORT", " OR REPLACE", " OR FAIL", " OR IGNORE")
_CONTROL = (
    *(
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT bounded",
        "RELEASE bounded",
    ),
    *(
        "RELEASE handler",
        "ROLLBACK TO bounded",
        "ROLLBACK TO handler",
        "VACUUM",
        "VACUUM INTO 'x.db'",
    ),
    *(
        "ANALYZE",
        "ANALYZE mine",
        "REINDEX",
        "REINDEX mine",
        "ATTACH ':memory:' AS other",
        "DETACH main",
    ),
    *(
        "ATTACH 'tasks.db' AS other",
        "EXPLAIN DELETE FROM tasks",
        "EXPLAIN QUERY PLAN SELECT 1",
        ";",
        "",
    ),
)
_TOKEN = re.compile(r"\s+|\w+|.", re.DOTALL)
_COLUMNS_OF_A_TABLE = (
    "x REFERENCES tasks (seq) ON DELETE CASCADE, body AS (x || x), CHECK (x IS NOT 7)"
)
_HOG = 0.01  # of all statements; each may take a second
_MUTANT = 0.15


class Grammar:
    """An endless source of statements, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def transaction(self) -> list[Statement]:
        """Return what one handler may gather."""
        return [self.statement() for _ in range(self._draw.choice((1, 1, 1, 2, 3)))]

    def statement(self) -> Statement:
        """Return one statement, with as many parameters as it asks for, mostly."""
        sql = self._sql()
        if self._draw.random() < _MUTANT:
            sql = self._mutated(sql)
        count = sql.count("?") + (self._draw.random() < 0.01)
        return Statement(
            sql=sql, parameters=tuple(self._draw.choice(_VALUES) for _ in range(count))
        )

    def _sql(self) -> str:
        if self._draw.random() < _HOG:
            return self._pick((*ENDLESS_STEPS.values(), *TOO_LARGE.values(), *ENDLESS))
        kinds: tuple[Callable[[], str], ...] = (
            *(self._select, self._select, self._insert, self._insert, self._update, self._delete),
            *(self._create, self._create, self._virtual, self._alter, self._drop, self._trigger),
            *(self._pragma, lambda: self._pick(_CONTROL), lambda: self._pick(FORBIDDEN)),
        )
        return self._draw.choice(kinds)()

    def _select(self) -> str:
        with_ = self._pick(
            ("", "", "", "WITH tasks (x) AS (SELECT 1) ", "WITH c AS (VALUES (1), (2)) ")
        )
        where = self._pick(("", "", f" WHERE {self._condition()}", f" GROUP BY {self._column()}"))
        order = self._pick(("", "", f" ORDER BY {self._column()} DESC", " LIMIT 3"))
        source = self._pick(
            (
                self._table(),
                self._table(),
                f"{self._table()}, {self._table()}",
                "json_each('[1, 2]')",
            )
        )
        return f"{with_}SELECT {self._expression()} FROM {source}{where}{order}"

    def _insert(self) -> str:
        verb = self._pick((f"INSERT{self._pick(_OR)}", "REPLACE"))
        what = self._pick(
            (
                *("VALUES (?)", "VALUES (?, ?)", "DEFAULT VALUES", f"SELECT {self._expression()}"),
                *(
                    "VALUES (?) ON CONFLICT DO NOTHING",
                    "VALUES (?) RETURNING *",
                    "SELECT * FROM mine",
                ),
            )
        )
        columns = self._pick(("", "", f" ({self._column()})", " (notes)"))
        return f"{verb} INTO {self._table()}{columns} {what}"

    def _update(self) -> str:
        return (
            f"UPDATE{self._pick(_OR)} {self._table()} SET {self._column()} = {self._expression()}"
            f"{self._pick(('', f' WHERE {self._condition()}', ' RETURNING rowid'))}"
        )

    def _delete(self) -> str:
        return f"DELETE FROM {self._table()}{self._pick(('', f' WHERE {self._condition()}'))}"

    def _create(self) -> str:
        temporary = self._pick(("", "", "", "TEMP "))
        exists = self._pick(("", "IF NOT EXISTS "))
        return self._pick(
            (
                f"CREATE {temporary}TABLE {exists}{self._table()} (x, id INTEGER PRIMARY KEY)",
                f"CREATE {temporary}TABLE {exists}{self._table()} ({_COLUMNS_OF_A_TABLE})",
                f"CREATE {temporary}TABLE {exists}{self._table()} AS SELECT * FROM {self._table()}",
                f"CREATE {temporary}VIEW {exists}{self._table()} AS {self._select()}",
                f"CREATE INDEX {exists}{self._table()}_i ON {self._name()} ({self._column()})",
                f"CREATE INDEX {exists}ready ON {self._name()} ({self._expression()})",
            )
        )

    def _virtual(self) -> str:
        return f"CREATE VIRTUAL TABLE {self._table()} USING {self._pick(_MODULES)}"

    def _trigger(self) -> str:
        event = self._pick(("INSERT", "UPDATE", "DELETE", f"UPDATE OF {self._column()}"))
        when = self._pick(("AFTER", "BEFORE", "INSTEAD OF"))
        body = self._pick(
            (self._insert(), self._update(), self._delete(), "SELECT RAISE(ROLLBACK, 'x')")
        )
        temporary = self._pick(("", "", "", "TEMP "))
        return (
            f"CREATE {temporary}TRIGGER {self._table()}_t {when} {event} ON {self._name()}"
            f" BEGIN {body.replace('?', '1')}; END"
        )

    def _alter(self) -> str:
        change = self._pick(
            (
                *(f"RENAME TO {self._name()}", f"RENAME {self._column()} TO {self._column()}"),
                *(f"ADD COLUMN {self._column()} DEFAULT 1", f"DROP COLUMN {self._column()}"),
                "ADD COLUMN z CHECK (z > 0)",
            )
        )
        return f"ALTER TABLE {self._table()} {change}"

    def _drop(self) -> str:
        kind = self._pick(("TABLE", "TABLE", "VIEW", "INDEX", "TRIGGER"))
        suffix = {"INDEX": "_i", "TRIGGER": "_t"}.get(kind, "")
        return f"DROP {kind} {self._pick(('', 'IF EXISTS '))}{self._table()}{suffix}"

    def _pragma(self) -> str:
        value = self._pick(("", "", " = 1", " = OFF", "(tasks)", " = -1", " = 'x'"))
        return f"PRAGMA {self._pick(_SCHEMAS)}{self._pick(_PRAGMAS)}{value}"

    def _expression(self) -> str:
        return self._pick(
            (
                *("*", "count(*)", "?", "1", self._column(), self._pick(_FUNCTIONS)),
                *(
                    self._pick(_FUNCTIONS),
                    f"({self._column()} || ?)",
                    f"EXISTS (SELECT 1 FROM {self._table()})",
                ),
            )
        )

    def _condition(self) -> str:
        operator = self._pick(("=", "LIKE", "GLOB", "MATCH", "REGEXP", "IN", "<", "IS NOT"))
        right = "(1, 2)" if operator == "IN" else self._pick(("?", "body", "'%' || ? || '%'"))
        return f"{self._column()} {operator} {right}"

    def _table(self) -> str:
        return self._pick(_SCHEMAS) + self._name()

    def _name(self) -> str:
        return self._pick(_NAMES if self._draw.random() < 0.95 else _MORE_NAMES)

    def _column(self) -> str:
        return self._pick(_COLUMNS)

    def _mutated(self, sql: str) -> str:
        tokens = _TOKEN.findall(sql[:5000]) or [""]
        at = self._draw.randrange(len(tokens))
        other = _TOKEN.findall(self._pick(FORBIDDEN))
        match self._draw.randrange(4):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, self._draw.choice(tokens))
            case 2:
                tokens[at] = self._draw.choice(other)
            case _:
                tokens = [*tokens[:at], *other[self._draw.randrange(len(other)) :]]
        return "".join(tokens)

    def _pick(self, choices: tuple[str, ...]) -> str:
        return self._draw.choice(choices)
