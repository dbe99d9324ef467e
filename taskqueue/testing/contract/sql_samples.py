"""The SQL that tests of handlers use, as SQLite has it."""

from taskqueue.rules.tasks import Statement
from taskqueue.testing.contract.sql_dialect import Dialect

ENDLESS_READ = """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n WHERE n < 0
"""

ENDLESS_WRITE = """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n)
INSERT INTO accounts SELECT -n, n FROM n
"""

MISTAKES = {
    "no SQL": Statement(sql="this is no SQL"),
    "no table": Statement(sql="SELECT * FROM nothing"),
    "two statements": Statement(sql="DELETE FROM accounts; DELETE FROM accounts"),
    "too few values": Statement(sql="SELECT ?, ?", parameters=(1,)),
    "too many values": Statement(sql="SELECT ?", parameters=(1, 2)),
    "a name without a value": Statement(sql="SELECT :a", parameters={"b": 1}),
    "an integer too great": Statement(sql="SELECT ?", parameters=(2**63,)),
    "a lone surrogate": Statement(sql="SELECT ?", parameters=("\ud800",)),
    "a lone surrogate in the SQL": Statement(sql="SELECT '\ud800'"),
    "a NUL in the SQL": Statement(sql="SELECT 1\0"),
    "a value of no type": Statement(sql="SELECT ?", parameters=([],)),  # type: ignore[arg-type]
    "no text": Statement(sql=1),  # type: ignore[arg-type]
    "text that is no UTF-8": Statement(sql="SELECT CAST(x'ff' AS TEXT)"),
    "a value too long": Statement(sql="SELECT length(zeroblob(900000000))"),
    "a constraint": Statement(sql="UPDATE accounts SET balance = balance - 1000"),
    "half done": Statement(sql="UPDATE OR FAIL accounts SET balance = balance - 50 * id"),
    "rolling back": Statement(sql="INSERT OR ROLLBACK INTO accounts VALUES (1, 1)"),
    "a trigger that rolls back": Statement(sql="DELETE FROM accounts"),
}

FORBIDDEN = (
    "INSERT INTO tasks (id) VALUES ('x')",
    "UPDATE tasks SET status = 'queued'",
    "UPDATE main.TASKS SET status = 'queued'",
    "DELETE FROM tasks",
    "REPLACE INTO counters VALUES ('queued', 0)",
    "DELETE FROM attempts",
    "INSERT INTO paused VALUES ('default', 0)",
    "DELETE FROM access_tokens",
    "DELETE FROM audited_changes",
    "DELETE FROM probe",
    "DROP TABLE tasks",
    "DROP INDEX ready",
    "ALTER TABLE tasks RENAME TO mine",
    "ALTER TABLE tasks ADD COLUMN mine",
    "ALTER TABLE accounts RENAME TO json_each",  # a name that a storage uses itself
    "CREATE TABLE json_each (x)",
    "CREATE VIEW Json_Each AS SELECT 1",
    "CREATE INDEX mine ON tasks (result)",
    "CREATE TRIGGER mine AFTER INSERT ON tasks BEGIN SELECT 1; END",
    "CREATE TEMP TABLE tasks (id)",
    "CREATE TEMP VIEW tasks AS SELECT 1",
    "CREATE TEMP TRIGGER mine AFTER INSERT ON accounts BEGIN SELECT 1; END",
    "INSERT INTO through_a_view VALUES (1)",
    "INSERT INTO through_a_trigger VALUES (1)",
    "UPDATE sqlite_master SET sql = ''",
    "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, '')",
    "PRAGMA writable_schema = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA user_version = 99",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT mine",
    "RELEASE handler",
    "ROLLBACK TO handler",
    "SELECT load_extension('x')",
    # temporary objects, however they are made
    "CREATE VIRTUAL TABLE temp.mine USING fts5 (text)",
    "CREATE VIRTUAL TABLE temp.mine USING fts5vocab (main, notes, row)",
    "CREATE VIRTUAL TABLE temp.tasks USING rtree (id, low, high)",
    "CREATE VIRTUAL TABLE temp.attempts USING rtree (id, low, high)",
    "ALTER TABLE temp.mine RENAME TO tasks",
    "SELECT * FROM temp.sqlite_master",
    "SELECT * FROM sqlite_temp_schema",
    # modules that read raw pages, registers of SQLite or statements of others
    "CREATE VIRTUAL TABLE mine USING dbstat",
    "CREATE VIRTUAL TABLE mine USING fts3 (text)",
    "CREATE VIRTUAL TABLE mine USING fts4 (text)",
    "CREATE VIRTUAL TABLE mine USING fts4aux (notes)",
    "CREATE VIRTUAL TABLE mine USING fts5vocab (notes, row)",
    "CREATE VIRTUAL TABLE mine USING fts3tokenize (simple)",
    "CREATE VIRTUAL TABLE tasks USING fts5 (text)",
    "SELECT * FROM dbstat",
    "SELECT count(*) FROM dbstat",
    "SELECT * FROM fts3tokenize WHERE input = 'a'",
    "SELECT * FROM sqlite_stmt",
    "SELECT * FROM pragma_user_version",
    "SELECT * FROM pragma_quick_check",
    "SELECT * FROM pragma_table_info('tasks')",
    "PRAGMA quick_check",
    "PRAGMA hard_heap_limit = 1",
    # functions that reach outside the statement
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('mine', x'0000000000000000')",
    "SELECT sqlite_log(1, 'x')",
    "SELECT rtreecheck('tasks')",
    "SELECT sqlite_compileoption_get(1)",
    # what SQLite keeps about all tables
    "UPDATE sqlite_sequence SET seq = 9223372036854775807",
    "DELETE FROM sqlite_sequence",
    "INSERT INTO sqlite_sequence VALUES ('tasks', 9)",
    "VACUUM INTO 'copy.db'",
)

SQLITE = Dialect(
    bank=(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER CHECK (balance >= 0))",
        "INSERT INTO accounts VALUES (1, 100), (2, 10)",
        """
        CREATE TRIGGER never_delete BEFORE DELETE ON accounts
        BEGIN SELECT RAISE(ROLLBACK, 'accounts are for ever'); END
        """,
        "CREATE VIEW through_a_view AS SELECT 1 AS one",
        """
        CREATE TRIGGER far INSTEAD OF INSERT ON through_a_view
        BEGIN DELETE FROM tasks; END
        """,
        "CREATE TABLE through_a_trigger (x)",
        """
        CREATE TRIGGER further AFTER INSERT ON through_a_trigger
        BEGIN UPDATE tasks SET status = 'queued'; END
        """,
        "CREATE VIRTUAL TABLE notes USING fts5 (text)",
        "CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    ),
    pay_in=Statement(
        sql="UPDATE accounts SET balance = balance + :by WHERE id = :id",
        parameters={"by": 5, "id": 1},
    ),
    endless_read=ENDLESS_READ,
    endless_write=ENDLESS_WRITE,
    mistakes=MISTAKES,
    forbidden=FORBIDDEN,
    schema="SELECT * FROM sqlite_master",
    own_objects=(
        "CREATE TABLE mine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)",
        "CREATE INDEX by_name ON mine (name COLLATE NOCASE)",
        "ALTER TABLE mine ADD COLUMN age INTEGER NOT NULL DEFAULT 1 CHECK (age > 0)",
        "ALTER TABLE mine RENAME COLUMN name TO called",
        "ALTER TABLE mine RENAME TO people",
        "CREATE TABLE log (called TEXT)",
        """
        CREATE TRIGGER logging AFTER INSERT ON people
        BEGIN INSERT INTO log VALUES (new.called); END
        """,
        "CREATE VIEW named AS SELECT called FROM people",
        "INSERT INTO people (called) VALUES ('Ada')",
        "REINDEX by_name",
    ),
    own_drops=(
        "DROP TRIGGER logging",
        "DROP INDEX by_name",
        "DROP VIEW named",
        "DROP TABLE people",
    ),
    people="SELECT name FROM sqlite_master WHERE name IN ('people')",
    changes=(
        "UPDATE accounts SET balance = 99 WHERE id = 1",
        "INSERT INTO accounts VALUES (3, 0)",
        "UPDATE accounts SET balance = 110 - balance",  # the same rows in another order
        "INSERT INTO accounts VALUES (3, zeroblob(1048576))",  # more than was ever shown
    ),
    deferred=(
        """
        CREATE TABLE cards (
            account INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED
        )
        """,
        "INSERT INTO cards VALUES (9)",
    ),
    has_constraints=False,
    values=(None, 0, -(2**63), 2**63 - 1, 0.1, float("inf"), "", "é🧵\0x", b"", b"\0\xff"),
    values_shown="SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
    blob="zeroblob({})",
    differing=(
        "SELECT 1",
        "SELECT 1.0",
        "SELECT '1'",
        "SELECT x'31'",
        "SELECT NULL",
        "SELECT ''",
        "SELECT 1 WHERE 0",
        "SELECT 1, 2",
        "SELECT 2, 1",
        "VALUES (1), (2)",
        "VALUES (2), (1)",
        "SELECT 'ab', 'c'",
        "SELECT 'a', 'bc'",
    ),
    one="SELECT ?",
)
