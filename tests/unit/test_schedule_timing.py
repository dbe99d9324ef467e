"""When slots come: expressions, intervals, and the nights in which clocks change."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskqueue.rules.schedules.timing import Timing, next_slot
from tests.examples_of_hypothesis import share_of

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"

# From noon to noon over the change, local times with their offsets. Lord Howe's clock changes by
# half an hour.
NIGHTS = [
    # The clock goes forward: Berlin and New York from 02:00 to 03:00, Lord Howe to 02:30.
    (BERLIN, "2026-03-28", "30 2 * * *", ["03:00+02"]),
    (NEW_YORK, "2026-03-07", "30 2 * * *", ["03:00-04"]),
    (LORD_HOWE, "2026-10-03", "15 2 * * *", ["02:30+11"]),
    (BERLIN, "2026-03-28", "15,45 2 * * *", ["03:00+02"]),
    (BERLIN, "2026-03-28", "20 30 2 * * *", ["03:00:20+02"]),
    (BERLIN, "2026-03-28", "0 3 * * *", ["03:00+02"]),
    (BERLIN, "2026-03-28", "*/30 1-3 * * *", ["01:00+01", "01:30+01", "03:00+02", "03:30+02"]),
    (LORD_HOWE, "2026-10-03", "*/30 * * * *", ["01:30+10:30", "02:30+11", "03:00+11"]),
    # The clock goes back: Berlin from 03:00 to 02:00, New York from 02:00 to 01:00, Lord Howe from
    # 02:00 to 01:30.
    (BERLIN, "2026-10-24", "30 2 * * *", ["02:30+02"]),
    (NEW_YORK, "2026-10-31", "30 1 * * *", ["01:30-04"]),
    (LORD_HOWE, "2026-04-04", "45 1 * * *", ["01:45+11"]),
    (BERLIN, "2026-10-24", "20 30 2 * * *", ["02:30:20+02"]),
    (BERLIN, "2026-10-24", "*/30 2 * * *", ["02:00+02", "02:30+02", "02:00+01", "02:30+01"]),
    (BERLIN, "2026-10-24", "0 * * * *", ["02:00+02", "02:00+01"]),
    (NEW_YORK, "2026-10-31", "0 * * * *", ["01:00-04", "01:00-05", "02:00-05"]),
    (
        LORD_HOWE,
        "2026-04-04",
        "*/30 * * * *",
        ["01:30+11", "01:30+10:30", "02:00+10:30", "02:30+10:30"],
    ),
]


@pytest.mark.parametrize(("zone", "day", "cron", "expected"), NIGHTS)
def test_the_nights_in_which_clocks_change(
    zone: str, day: str, cron: str, expected: list[str]
) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    until = noon.timestamp() + timedelta(hours=24).total_seconds()

    slots = Timing(cron=cron, timezone=zone).between(noon.timestamp(), until, limit=100)

    shown = [datetime.fromtimestamp(slot, ZoneInfo(zone)) for slot in slots]
    near = [_shown(at) for at in shown if _shown(at) in expected or at.hour == 2]
    assert near == expected


@pytest.mark.parametrize(("zone", "day"), sorted({(zone, day) for zone, day, *_ in NIGHTS}))
def test_an_interval_does_not_notice_these_nights(zone: str, day: str) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)).timestamp()

    slots = Timing(every_s=1_800).between(noon, noon + 86_400, limit=100)

    assert len(slots) == 48
    assert {later - slot for slot, later in pairwise(slots)} == {1_800}


def _shown(at: datetime) -> str:
    time = at.strftime("%H:%M:%S").removesuffix(":00")
    return time + at.isoformat()[-6:].removesuffix(":00")


INTERVALS = st.integers(1, 10_000).map(lambda seconds: Timing(every_s=seconds))
CRONS = st.sampled_from(
    [
        "* * * * *",
        "*/7 * * * *",
        "30 2 * * *",
        "15,45 1,2 * * *",
        "10,50 0 2 * * *",
        "*/20 * * * * *",
    ]
)
ZONED = st.builds(
    lambda cron, zone: Timing(cron=cron, timezone=zone),
    CRONS,
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "UTC"]),
)
CHANGE = 1_774_746_000.0  # 2026-03-29 01:00 UTC, in Berlin


@settings(max_examples=share_of(200), deadline=None)
@given(
    timing=INTERVALS | ZONED,
    after=st.sampled_from([CHANGE, 1_792_890_000.0, 1_793_512_800.0, 1_775_314_800.0]).flatmap(
        lambda change: st.floats(change - 20_000, change + 20_000)
    ),
    pause_s=st.floats(0, 8_000),
)
def test_slots_are_the_same_wherever_the_search_begins(
    timing: Timing, after: float, pause_s: float
) -> None:
    until = after + 20_000
    slots = timing.between(after, until, limit=100_000)
    later = timing.between(after + pause_s, until, limit=100_000)

    assert list(slots) == sorted(set(slots))
    assert all(slot > after and slot.is_integer() for slot in slots)
    assert later == tuple(slot for slot in slots if slot > after + pause_s)
    assert timing.last(after, until) == (slots[-1] if slots else None)
    assert next_slot(timing, after) == (slots[0] if slots else next_slot(timing, until))


def test_an_interval_has_a_fixed_anchor() -> None:
    every_90_s = Timing(every_s=90)

    assert every_90_s.between(100.0, 400.0, limit=9) == (180.0, 270.0, 360.0)
    assert every_90_s.between(180.0, 400.0, limit=9) == (270.0, 360.0)


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (Timing(cron="0 3 * * *", timezone=BERLIN), "At 03:00 every day (Europe/Berlin)"),
        (Timing(cron="@hourly"), "At the start of every hour (UTC)"),
        (Timing(every_s=300), "Every 5 minutes"),
        (Timing(every_s=3600), "Every hour"),
        (Timing(every_s=90_061), "Every 1 day 1 hour 1 minute 1 second"),
    ],
)
def test_a_timing_in_words(timing: Timing, words: str) -> None:
    assert timing.in_words == words


@pytest.mark.parametrize(
    ("timing", "field", "message"),
    [
        (Timing(), "cron", "give either cron or every_s"),
        (Timing(cron="@daily", every_s=5), "cron", "give either cron or every_s"),
        (Timing(cron="61 * * * *"), "cron", "Bad minute in '61 * * * *'; expected five fields"),
        (Timing(cron="* * *"), "cron", "Wrong number of fields"),
        (Timing(cron="0 0 30 2 *"), "cron", "Bad day-of-month"),
        (Timing(cron="0 0 * 2 MON#5", timezone="Mars"), "timezone", "no time zone 'Mars'"),
        (Timing(cron="1," * 200 + "1 * * * *"), "cron", "has more than 256 characters"),
        (Timing(every_s=0), "every_s", "must be whole seconds, from 1 to"),
    ],
)
def test_what_is_wrong_with_a_timing(timing: Timing, field: str, message: str) -> None:
    [fault] = timing.faults()

    assert fault.field == field
    assert message in fault.message
