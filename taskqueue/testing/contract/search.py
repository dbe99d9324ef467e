"""The part of the storage contract about `search`: filters, orders and bounds."""

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from taskqueue.rules.filters import Found, Sort, TaskFilter
from taskqueue.rules.tasks import Status, Task
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    FAILURE,
    add,
    claim,
    ids,
    one_life_of_each_status,
    settle,
)


class SearchContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_search_finds_what_matches_in_either_order(self, storage: Storage) -> None:
        await one_life_of_each_status(storage)
        every = await storage.find(limit=100, now=5.0)
        two_of_each = [*product(Status, repeat=2)]

        for statuses, sort in product([(), *two_of_each, tuple(Status)], Sort):
            for more in ({}, {"action": "uppercase", "queue": "default"}, {"created_after": 0.0}):
                wanted = TaskFilter(statuses=statuses, **more)
                found = await storage.search(wanted, sort=sort, limit=100, now=5.0)

                newest_first = [task for task in every if wanted.matches(task)]
                assert list(found.tasks) == newest_first[:: 1 if sort is Sort.NEWEST else -1]
                assert found.looked_to is None

    async def test_search_goes_on_behind_an_id_in_either_order(self, storage: Storage) -> None:
        await add(storage, *"abcde")

        for wanted in (TaskFilter(), TaskFilter(created_after=0.0)):
            newest = await storage.search(wanted, after="d", limit=2, now=0.0)
            oldest = await storage.search(wanted, after="b", sort=Sort.OLDEST, limit=2, now=0.0)

            assert (ids(newest.tasks), ids(oldest.tasks)) == (["c", "b"], ["c", "d"])

    async def test_an_instant_after_includes_itself_and_one_before_does_not(
        self, storage: Storage
    ) -> None:
        for n, task_id in enumerate("abc"):
            await add(storage, task_id, now=float(n))
        for ended, delivery in enumerate(await claim(storage, limit=2, now=3.0)):
            await settle(storage, delivery, DONE, now=10.0 + ended)

        async def found(**wanted: Any) -> list[str]:
            return ids((await storage.search(TaskFilter(**wanted), limit=9, now=9.0)).tasks)

        assert await found(created_after=1.0) == ["c", "b"]
        assert await found(created_before=1.0) == ["a"]
        assert await found(created_after=1.0, created_before=2.0) == ["b"]
        assert await found(ended_after=11.0) == ["b"]
        assert await found(ended_before=11.0) == ["a"]
        assert await found(ended_before=99.0, created_after=1.0) == ["b"]

    async def test_text_is_found_in_payloads_and_in_reasons_as_it_is_written(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", payload='{"name": "Zoë"}')
        await add(storage, "b", payload='{"name": "zoe 100%"}')
        await add(storage, "c", payload="{}")
        [*_, c] = await claim(storage)
        await settle(storage, c, replace(BURIAL, reason="OSError: Zoë is gone"))

        async def found(text: str) -> list[str]:
            return ids((await storage.search(TaskFilter(text=text), limit=9, now=9.0)).tasks)

        assert await found("Zoë") == ["c", "a"]
        assert await found("zoe") == ["b"]
        assert await found("0%") == ["b"]
        assert await found("_oe") == []

    async def test_a_failure_is_found_while_the_task_retries(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        a, _ = await claim(storage)
        await settle(storage, a, FAILURE)

        found = await storage.search(
            TaskFilter(text="ValueError", statuses=(Status.RETRYING,)), limit=9, now=2.0
        )

        assert ids(found.tasks) == ["a"]

    async def test_a_trace_finds_its_tasks(self, storage: Storage) -> None:
        ids_of = {name: f"{number:032x}" for number, name in enumerate("xy", 1)}
        for task_id, trace in (("a", "x"), ("b", "y"), ("d", "x")):
            await add(storage, task_id, traceparent=f"00-{ids_of[trace]}-00000000000000a1-01")
        await add(storage, "c")

        for trace, expected in (("x", ["d", "a"]), ("y", ["b"])):
            wanted = TaskFilter(trace=ids_of[trace])
            found = await storage.search(wanted, limit=9, now=0.0)
            queued = await storage.search(
                replace(wanted, statuses=(Status.QUEUED,)), limit=9, now=0.0
            )

            assert ids(found.tasks) == ids(queued.tasks) == expected
        assert (await storage.search(TaskFilter(trace="0" * 32), limit=9, now=0.0)).tasks == ()

    async def test_a_parent_finds_its_children_that_match_otherwise(self, storage: Storage) -> None:
        await add(storage, "a", parent="p", action="mail", group="g")
        await add(storage, "b", parent="q")
        await add(storage, "c", parent="p", run_at=5.0)
        await add(storage, "d")
        await add(storage, "e", parent="p", queue="video")
        [a, *_] = await claim(storage)
        await settle(storage, a, DONE)

        async def found(*, now: float = 2.0, **wanted: Any) -> list[str]:
            filter_ = TaskFilter(parent="p", **wanted)
            return ids((await storage.search(filter_, limit=9, now=now)).tasks)

        assert await found() == ["e", "c", "a"]
        assert await found(statuses=(Status.COMPLETED,)) == ["a"]
        assert await found(statuses=(Status.QUEUED, Status.COMPLETED)) == ["e", "a"]
        assert await found(statuses=(Status.SCHEDULED,)) == ["c"]
        assert await found(statuses=(Status.QUEUED,), now=5.0) == ["e", "c"]
        assert await found(action="mail", group="g") == ["a"]
        assert await found(queue="video", text="hi") == ["e"]
        assert await found(group="g", queue="video") == []
        page = await storage.search(
            TaskFilter(parent="p"), after="a", sort=Sort.OLDEST, limit=1, brief=True, now=0.0
        )
        assert ids(page.tasks) == ["c"]
        assert (await storage.search(TaskFilter(parent="x"), limit=9, now=0.0)).tasks == ()

    async def test_a_unique_key_finds_its_task_if_that_matches_otherwise(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", unique_key="k", fingerprint="f")
        await add(storage, "b")

        async def found(**wanted: Any) -> tuple[Task, ...]:
            filter_ = TaskFilter(unique_key="k", **wanted)
            return (await storage.search(filter_, limit=9, now=0.0)).tasks

        assert ids(await found()) == ["a"]
        assert ids(await found(statuses=(Status.QUEUED,), text="hi", action="uppercase")) == ["a"]
        assert await found(statuses=(Status.DEAD,)) == ()
        assert await found(created_after=1.0) == ()
        assert await storage.search(
            TaskFilter(unique_key="k"), after="a", limit=9, now=0.0
        ) == Found(tasks=())

    @pytest.mark.parametrize("sort", Sort)
    async def test_a_search_that_is_cut_says_where_it_goes_on(
        self, storage: Storage, sort: Sort
    ) -> None:
        for n in range(10):
            await add(storage, str(n), payload="needle" if n in {2, 7} else "hay")
        wanted = TaskFilter(text="needle")

        found: list[str] = []
        pages = 0
        after: str | None = None
        while True:
            page = await storage.search(
                wanted, after=after, sort=sort, limit=5, max_rows=3, now=0.0
            )
            found += ids(page.tasks)
            pages += 1
            after = page.looked_to
            if after is None:
                break

        in_order = ["7", "2"] if sort is Sort.NEWEST else ["2", "7"]
        assert (found, pages) == (in_order, 4)

    async def test_a_search_that_ends_with_its_last_row_is_not_cut(self, storage: Storage) -> None:
        await add(storage, *"abc")

        whole = await storage.search(TaskFilter(text="no such"), limit=5, max_rows=3, now=0.0)
        full = await storage.search(TaskFilter(text="hi"), limit=2, max_rows=3, now=0.0)

        assert whole == Found(tasks=())
        assert (ids(full.tasks), full.looked_to) == (["c", "b"], None)

    async def test_a_search_is_cut_by_bytes_and_brief_like_find(self, storage: Storage) -> None:
        await add(storage, *"abc", payload="x" * 100)

        for wanted in (TaskFilter(), TaskFilter(text="x"), TaskFilter(created_after=0.0)):
            cut = await storage.search(wanted, limit=9, max_bytes=150, now=0.0)
            brief = await storage.search(wanted, limit=9, brief=True, now=0.0)

            assert ids(cut.tasks) == ["c", "b"]
            assert [task.payload for task in brief.tasks] == ["", "", ""]

    async def test_a_search_that_looks_at_nothing_finds_nothing(self, storage: Storage) -> None:
        await add(storage, "a")

        nothing = await storage.search(TaskFilter(text="hi"), limit=0, now=0.0)

        assert nothing == Found(tasks=())
        with pytest.raises(ValueError, match="limit"):
            await storage.search(TaskFilter(), limit=-1, now=0.0)
