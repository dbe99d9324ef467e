"""The part of the storage contract about schedules."""

from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import FireAnswer
from taskqueue.rules.schedules.words import Origin
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.overlaps import OverlapsContract
from taskqueue.testing.contract.slots import SlotsContract, declared, fired, put


class SchedulesContract(SlotsContract, OverlapsContract):
    """A part of `StorageContract`, whose `storage` it is given."""

    # --- schedules --------------------------------------------------------------------------------

    async def test_schedules_are_listed_by_name_as_they_were_put(self, storage: Storage) -> None:
        cron = Timing(cron="0 3 * * *", timezone="Europe/Berlin")
        b = declared("b", timing=cron, data='{"n":1}', within_s=5.0)
        a = declared("a")

        await storage.put_schedule(b, now=7.0)
        await storage.put_schedule(a, now=8.0)

        found = await storage.schedules()
        assert [(each.name, each.plan) for each in found] == [("a", a.plan), ("b", b.plan)]
        assert (found[1].active_from, found[1].created_at, found[1].version) == (7.0, 7.0, 1)

    async def test_only_the_expected_version_is_replaced(self, storage: Storage) -> None:
        created = await storage.put_schedule(declared(), expected=0, now=0.0)
        taken = await storage.put_schedule(declared(), expected=0, now=1.0)
        replaced = await storage.put_schedule(declared(data='{"n":1}'), expected=1, now=2.0)
        outdated = await storage.put_schedule(declared(data='{"n":2}'), expected=1, now=3.0)

        assert created is not None
        assert replaced is not None
        assert (taken, outdated) == (None, None)
        assert (replaced.version, replaced.plan.data) == (2, '{"n":1}')

    async def test_a_new_timing_moves_the_boundary_and_new_data_does_not(
        self, storage: Storage
    ) -> None:
        await put(storage, now=10.0)

        with_data = await put(storage, data='{"n":1}', now=20.0)
        retimed = await put(storage, data='{"n":1}', timing=Timing(every_s=30), now=30.0)
        same = await put(storage, data='{"n":1}', timing=Timing(every_s=30), now=40.0)

        assert [each.active_from for each in (with_data, retimed, same)] == [10.0, 30.0, 30.0]
        assert (with_data.version, retimed.version, same.version) == (2, 3, 3)

    async def test_a_schedule_can_be_deleted_once(self, storage: Storage) -> None:
        await put(storage)
        await fired(storage, 60.0)

        deleted = [await storage.delete_schedule("report") for _ in range(2)]

        assert deleted == [True, False]
        assert await storage.schedules() == ()
        assert await storage.schedule("report", slots=9) is None
        assert await storage.pause_schedule("report", now=70.0) is None
        assert await storage.resume_schedule("report", now=70.0) is None
        assert (await fired(storage, 120.0)).answer is FireAnswer.STALE

    # --- declared by code -------------------------------------------------------------------------

    async def test_what_code_no_longer_names_is_paused_until_it_is_named_again(
        self, storage: Storage
    ) -> None:
        code = declared(origin=Origin.CODE)
        await storage.put_schedule(declared("of-the-api"), now=0.0)
        await storage.declare_schedules([code, declared("b", origin=Origin.FILE)], now=0.0)

        left_out = await storage.declare_schedules([], now=10.0)
        dropped = {each.name: each.is_active for each in await storage.schedules()}
        again = await storage.declare_schedules([code], now=20.0)

        assert left_out.undeclared == ("b", "report")
        assert dropped == {"b": False, "report": False, "of-the-api": True}
        [report] = again.changed
        assert (report.name, report.is_active, report.active_from) == ("report", True, 20.0)
        assert again.undeclared == ()

    async def test_code_wins_but_leaves_an_operators_pause(self, storage: Storage) -> None:
        await put(storage, data='{"n":1}', now=0.0)
        await storage.pause_schedule("report", reason="too loud", now=5.0)

        first = await storage.declare_schedules([declared(origin=Origin.CODE)], now=10.0)
        second = await storage.declare_schedules([declared(origin=Origin.CODE)], now=20.0)

        [report] = await storage.schedules()
        assert (report.origin, report.plan.data, report.active_from) == (Origin.CODE, "{}", 0.0)
        assert (report.paused_at, report.paused_because) == (5.0, "too loud")
        assert [len(each.changed) for each in (first, second)] == [1, 0]

    async def test_schedules_outlive_a_reopening(self, storage: Storage) -> None:
        await put(storage)
        await fired(storage, 60.0)
        before = await storage.schedule("report", slots=9)

        await storage.close()
        await storage.open()

        assert await storage.schedule("report", slots=9) == before
