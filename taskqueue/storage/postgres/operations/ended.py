"""Whether an ended task has the id or the key of a new one, which no index of live tasks tells."""

import math
from collections.abc import Iterable, Mapping

from taskqueue.ids import made_at
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import inserting as sql

_CLOCKS_DIFFER_S = 86_400.0
"""By how much the clock of a machine that makes ids may be ahead of the server's."""


async def without_ended(
    db: SQL, inserted: Mapping[str, str | None], *, now: float
) -> dict[str, str | None]:
    """Take back the new rows that have the id or the key of an ended task; return the others.

    Asked after the rows are written: then a task of the same id or key cannot end unseen any more.
    In a transaction that sees one snapshot only, what ended since is not seen.
    """
    if not inserted:
        return {}
    ids, keys = await _ended_ids(db, inserted, now=now), await _ended_keys(db, inserted.values())
    if not ids and not keys:
        return dict(inserted)
    kept = {
        task_id: key for task_id, key in inserted.items() if task_id not in ids and key not in keys
    }
    await db.execute(sql.TAKE_BACK, [*(inserted.keys() - kept.keys())])
    return kept


async def _ended_ids(db: SQL, ids: Iterable[str], *, now: float) -> set[str]:
    found = await db.fetch(sql.TAKEN_IDS, [*ids], _earliest(ids, now=now))
    return {task_id for (task_id,) in found}


async def _ended_keys(db: SQL, keys: Iterable[str | None]) -> set[str]:
    wanted = [key for key in keys if key is not None]
    found = await db.fetch(sql.TAKEN_KEYS, wanted) if wanted else []
    return {key for (key,) in found}


def _earliest(ids: Iterable[str], *, now: float) -> float:
    """Return an instant before which no task of one of these ids can have ended."""
    made = [made_at(task_id) for task_id in ids]
    known = [at for at in made if at is not None]
    return min(now, *known) - _CLOCKS_DIFFER_S if len(known) == len(made) else -math.inf
