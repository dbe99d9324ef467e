"""Takes the numbered steps that a database lacks, all in one transaction.

A step is a file `0001_name.sql` beside this one. A step that was released is never edited; a change
is the next number. However many nodes start at once, one takes the steps and the others wait.

While a fleet is upgraded, nodes of the release before work beside those of this one, on a schema
that is one version ahead of theirs. So a step only adds what the release before can do without, and
what is no longer used is taken away by the step after the next. Where tables may be large, a step
takes no lock for long: no index but `CONCURRENTLY`, no default that has to be written to each row.
"""

from importlib.resources import files

from taskqueue.errors import ForeignSchema, SchemaMismatch
from taskqueue.storage.lifecycle import Migration, Schema
from taskqueue.storage.postgres.connections import NOT_FROZEN, SQL
from taskqueue.storage.postgres.errors import is_lost
from taskqueue.storage.postgres.handler_sql.footprint import BESIDE_NO_HANDLER
from taskqueue.structs import Struct

SCHEMA = "taskqueue"

_BEGIN = f"BEGIN; {NOT_FROZEN}"

# Released with the transaction, so that a pooler may stand between.
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('taskqueue.migration', 0))"

# Whatever needs a table waits behind a step that waits for it, on all nodes. So a step that meets
# a long transaction, such as a backup, gives up.
_BRIEFLY = "SET LOCAL lock_timeout = '2s'"

_HAS_SCHEMA = "SELECT to_regnamespace('taskqueue') IS NOT NULL"
_HAS_META = "SELECT to_regclass('taskqueue.meta') IS NOT NULL"
_HAS_TABLES = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'taskqueue')"
_META = "CREATE TABLE taskqueue.meta (name text PRIMARY KEY, value text NOT NULL)"
_VERSION = "SELECT value::integer FROM taskqueue.meta WHERE name = 'schema_version'"
_SET_VERSION = """
INSERT INTO taskqueue.meta (name, value) VALUES ('schema_version', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class Step(Struct):
    """One numbered change of the schema."""

    version: int
    name: str
    sql: str


def _steps() -> tuple[Step, ...]:
    found = []
    for script in files(__package__).iterdir():
        version, _, name = script.name.partition("_")
        if name.endswith(".sql"):
            text = script.read_text("utf-8")
            found.append(Step(version=int(version), name=name.removesuffix(".sql"), sql=text))
    return tuple(sorted(found, key=lambda step: step.version))


POSTGRES_STEPS = _steps()
POSTGRES_VERSION = POSTGRES_STEPS[-1].version


async def version_of(db: SQL, where: str) -> int:
    """Return the schema version of the database, 0 if it was never migrated.

    Raises:
        ForeignSchema: the schema `taskqueue` is there, and is not this program's.
    """
    if await db.fetchval(_HAS_META):
        return int(await db.fetchval(_VERSION) or 0)
    if await db.fetchval(_HAS_TABLES):
        raise ForeignSchema(where, "has another program's tables in its schema `taskqueue`")
    return 0


async def known_version_of(db: SQL, where: str) -> int:
    """Return the schema version of the database, 0 if it was never migrated.

    Raises:
        SchemaMismatch: it is newer than that of the next release.
    """
    version = await version_of(db, where)
    if version > POSTGRES_VERSION + 1:
        raise SchemaMismatch(where, version, POSTGRES_VERSION)
    return version


async def require_version(db: SQL, where: str) -> None:
    """Make sure that the database has the schema of this release, or of the next.

    Raises:
        SchemaMismatch: it has not.
    """
    found = await known_version_of(db, where)
    if found < POSTGRES_VERSION:
        raise SchemaMismatch(where, found, POSTGRES_VERSION)


async def require_same_version(db: SQL, where: str) -> None:
    """Make sure that the database has the schema of this release, and of no other.

    Raises:
        SchemaMismatch: it has not.
    """
    found = await version_of(db, where)
    if found != POSTGRES_VERSION:
        raise SchemaMismatch(where, found, POSTGRES_VERSION)


async def schema_of(db: SQL, where: str) -> Schema:
    """Return the version of the database, and the steps to the one of this release."""
    version = await known_version_of(db, where)
    return Schema(version=version, wanted=POSTGRES_VERSION, pending=_migrations(version))


async def migrate(db: SQL, where: str) -> tuple[Migration, ...]:
    """Take the steps that are missing, all or none; return what was taken.

    Raises:
        SchemaMismatch: the database is newer than the last step.
        LockNotAvailableError: of the driver: a long transaction uses a table that a step changes.
    """
    await db.execute(_BEGIN)
    try:
        await db.execute(_TURN)
        version = await known_version_of(db, where)
        if version < POSTGRES_VERSION:
            await db.execute(BESIDE_NO_HANDLER)
            await db.execute(_BRIEFLY)
        if not await db.fetchval(_HAS_SCHEMA):  # an administrator may have made it for us
            await db.execute(f"CREATE SCHEMA {SCHEMA}")
        if not version:
            await db.execute(_META)
        for step in POSTGRES_STEPS:
            if step.version > version:
                await db.execute(step.sql)
        if version < POSTGRES_VERSION:
            await db.execute(_SET_VERSION, str(POSTGRES_VERSION))
    except BaseException as error:
        if not is_lost(error):
            await db.execute("ROLLBACK")
        raise
    await db.execute("COMMIT")
    return _migrations(version)


def _migrations(version: int) -> tuple[Migration, ...]:
    return tuple(
        Migration(version=step.version, name=step.name)
        for step in POSTGRES_STEPS
        if step.version > version
    )
