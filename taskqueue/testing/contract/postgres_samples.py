"""The SQL that tests of handlers use, as PostgreSQL has it."""

from taskqueue.rules.tasks import Statement
from taskqueue.testing.contract.sql_dialect import Dialect
from taskqueue.testing.contract.sql_samples import ENDLESS_READ, ENDLESS_WRITE

_MISTAKES = {
    "no SQL": Statement(sql="this is no SQL"),
    "wrong SQL": Statement(sql="SELECT FROM WHERE"),
    "no table": Statement(sql="SELECT * FROM nothing"),
    "two statements": Statement(sql="UPDATE accounts SET balance = 1; SELECT 1"),
    "too few values": Statement(sql="SELECT $1::int, $2::int", parameters=(1,)),
    "too many values": Statement(sql="SELECT $1::int", parameters=(1, 2)),
    "values by name": Statement(sql="SELECT $1::int", parameters={"a": 1}),
    "an integer too great": Statement(sql="SELECT $1::bigint", parameters=(2**63,)),
    "a value of another type": Statement(sql="SELECT $1::bigint", parameters=("1",)),
    "a lone surrogate": Statement(sql="SELECT $1::text", parameters=("\ud800",)),
    "a lone surrogate in the SQL": Statement(sql="SELECT '\ud800'"),
    "a NUL in the SQL": Statement(sql="SELECT 1\0"),
    "a NUL in a text": Statement(sql="SELECT $1::text", parameters=("\0",)),
    "a value of no type": Statement(sql="SELECT $1::int", parameters=([],)),  # type: ignore[arg-type]
    "no text": Statement(sql=1),  # type: ignore[arg-type]
    "text that is no UTF-8": Statement(sql="SELECT convert_from('\\xff', 'UTF8')"),
    "a value too long": Statement(sql="SELECT length(repeat('x', 2000000000))"),
    "a constraint": Statement(sql="UPDATE accounts SET balance = balance - 1000"),
    "a trigger that raises": Statement(sql="DELETE FROM accounts"),
    "a function that raises": Statement(sql="SELECT fail()"),
}

_FORBIDDEN = (
    "INSERT INTO taskqueue.tasks (id) VALUES ('x')",
    "UPDATE taskqueue.tasks SET status = 'dead'",
    'UPDATE "taskqueue"."tasks" SET priority = 9',
    "DELETE FROM taskqueue.tasks",
    "WITH gone AS (DELETE FROM taskqueue.tasks RETURNING id) SELECT * FROM gone",
    "MERGE INTO taskqueue.tasks USING accounts ON true WHEN MATCHED THEN DELETE",
    "UPDATE taskqueue.counters SET queued = 0",
    "INSERT INTO taskqueue.paused VALUES ('default', 0)",
    "TRUNCATE taskqueue.attempts",
    "DROP TABLE taskqueue.tasks",
    "DROP INDEX taskqueue.ready",
    "DROP SCHEMA taskqueue CASCADE",
    "ALTER SCHEMA taskqueue RENAME TO mine",
    "ALTER TABLE taskqueue.tasks RENAME TO mine",
    "ALTER TABLE taskqueue.tasks ADD COLUMN mine int",
    "ALTER TABLE taskqueue.attempts SET SCHEMA public",
    "ALTER TABLE accounts SET SCHEMA taskqueue",
    "CREATE TABLE taskqueue.mine (x int)",
    "CREATE FUNCTION taskqueue.mine() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE INDEX mine ON taskqueue.tasks (result)",
    "CREATE TABLE mine (task bigint REFERENCES taskqueue.tasks)",
    "CREATE TRIGGER mine AFTER INSERT ON taskqueue.tasks EXECUTE FUNCTION deny()",
    "COMMENT ON TABLE taskqueue.tasks IS 'mine'",
    "INSERT INTO through_a_view VALUES (1)",
    "INSERT INTO through_a_trigger VALUES (1)",
    "SELECT through_a_function()",
    # what ends the transaction, or makes it another
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "/* first /* this */ */ -- and that\nCOMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "SAVEPOINT mine",
    "RELEASE SAVEPOINT handler",
    "ROLLBACK TO SAVEPOINT handler",
    "PREPARE TRANSACTION 'mine'",
    "SET TRANSACTION READ ONLY",
    "SELECT set_config('transaction_read_only', 'on', true)",
    "SELECT set_config('track_counts', 'off', true)",
    # what outlives the transaction, or belongs to the session
    "SET search_path TO mine",
    "SET LOCAL ROLE postgres",
    "RESET ALL",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('role', 'other', true)",
    "DISCARD ALL",
    "LISTEN mine",
    "UNLISTEN *",
    "PREPARE mine AS SELECT 1",
    "DEALLOCATE ALL",
    "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
    "LOAD 'mine'",
    "CREATE TEMP TABLE mine (x int)",
    "CREATE TEMPORARY VIEW mine AS SELECT 1",
    "CREATE TABLE pg_temp.mine (x int)",
    "SELECT 1 AS x INTO TEMP mine",
    # what reaches further than the data
    "DO 'BEGIN DELETE FROM taskqueue.tasks; END'",
    "CALL mine()",
    "COPY accounts TO PROGRAM 'cat'",
    "COPY accounts TO STDOUT",
    "CREATE ROLE mine",
    "ALTER ROLE postgres NOLOGIN",
    "ALTER SYSTEM SET fsync = off",
    "CREATE DATABASE mine",
    "DROP DATABASE mine",
    "CREATE EXTENSION plperlu",
    "DROP OWNED BY postgres",
    "GRANT ALL ON accounts TO public",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "CLUSTER",
)

POSTGRES = Dialect(
    bank=(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint CHECK (balance >= 0))",
        "INSERT INTO accounts VALUES (1, 100), (2, 10)",
        """
        CREATE FUNCTION deny() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'accounts are for ever'; END $$
        """,
        """
        CREATE TRIGGER never_delete BEFORE DELETE ON accounts
        FOR EACH ROW EXECUTE FUNCTION deny()
        """,
        """
        CREATE FUNCTION fail() RETURNS int LANGUAGE plpgsql
        AS $$ BEGIN UPDATE accounts SET balance = 7; RAISE 'no'; END $$
        """,
        "CREATE VIEW through_a_view AS SELECT 1 AS one",
        """
        CREATE FUNCTION reach() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN DELETE FROM taskqueue.tasks; RETURN NULL; END $$
        """,
        """
        CREATE TRIGGER far INSTEAD OF INSERT ON through_a_view
        FOR EACH ROW EXECUTE FUNCTION reach()
        """,
        "CREATE TABLE through_a_trigger (x int)",
        """
        CREATE TRIGGER further AFTER INSERT ON through_a_trigger
        FOR EACH ROW EXECUTE FUNCTION reach()
        """,
        """
        CREATE FUNCTION through_a_function() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN EXECUTE 'UPDATE taskqueue.tasks SET priority = 9'; END $$
        """,
    ),
    pay_in=Statement(
        sql="UPDATE accounts SET balance = balance + $1 WHERE id = $2", parameters=(5, 1)
    ),
    endless_read=ENDLESS_READ,
    endless_write=ENDLESS_WRITE,
    mistakes=_MISTAKES,
    forbidden=_FORBIDDEN,
    schema="""
        SELECT relname, relkind::text, relnatts, relhastriggers, relnamespace::regnamespace::text
        FROM pg_class WHERE relnamespace IN (
            SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'taskqueue')
        ) ORDER BY oid
    """,
    own_objects=(
        "CREATE TABLE mine (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE)",
        "CREATE INDEX by_name ON mine (lower(name))",
        "ALTER TABLE mine ADD COLUMN age int NOT NULL DEFAULT 1 CHECK (age > 0)",
        "ALTER TABLE mine RENAME COLUMN name TO called",
        "ALTER TABLE mine RENAME TO people",
        "CREATE TABLE log (called text)",
        """
        CREATE FUNCTION noting() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO log VALUES (new.called); RETURN NULL; END $$
        """,
        """
        CREATE TRIGGER logging AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION noting()
        """,
        "CREATE OR REPLACE VIEW named AS SELECT called FROM people",
        "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM people",
        "INSERT INTO people (called) VALUES ('Ada')",
        "REFRESH MATERIALIZED VIEW counted",
        "REINDEX INDEX by_name",
        "COMMENT ON TABLE people IS 'all of them'",
    ),
    own_drops=(
        "DROP TRIGGER logging ON people",
        "DROP FUNCTION noting",
        "DROP INDEX by_name",
        "DROP MATERIALIZED VIEW counted",
        "DROP VIEW named",
        "DROP TABLE people",
    ),
    people="SELECT relname FROM pg_class WHERE relname = 'people'",
    changes=(
        "UPDATE accounts SET balance = 99 WHERE id = 1",
        "INSERT INTO accounts VALUES (3, 0)",
        "UPDATE accounts SET balance = 110 - balance",  # the same rows in another order
    ),
    deferred=(
        """
        CREATE TABLE cards (
            account bigint REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED
        )
        """,
        "INSERT INTO cards VALUES (9)",
    ),
    has_constraints=True,
    values=(None, 0, -(2**63), 2**63 - 1, 0.1, float("inf"), "", "é🧵x", b"", b"\0\xff"),
    values_shown="""
        SELECT $1::text, $2::int, $3::bigint, $4::bigint, $5::float8, $6::float8, $7::text,
            $8::text, $9::bytea, $10::bytea
    """,
    blob="decode(repeat('00', {}), 'hex')",
    differing=(
        "SELECT 1",
        "SELECT 1.0::float8",
        "SELECT '1'",
        r"SELECT '\x31'::bytea",
        "SELECT NULL",
        "SELECT ''",
        "SELECT 1 WHERE false",
        "SELECT 1, 2",
        "SELECT 2, 1",
        "VALUES (1), (2)",
        "VALUES (2), (1)",
        "SELECT 'ab', 'c'",
        "SELECT 'a', 'bc'",
        "SELECT true",
        "SELECT 1.00",
    ),
    one="SELECT $1::int",
    numbered=True,
)
