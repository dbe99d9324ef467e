"""One run: a service, a well-behaved client beside it, and one attack after the other."""

import asyncio
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from random import Random

import aiohttp

from benchmarks.apart import apart
from taskqueue.testing.process import PRINTED, ServiceProcess, children_of
from tests.forked.service import ForkedService
from tests.hostile_http import attacks
from tests.hostile_http.probe import Sample, probe
from tests.hostile_http.shapes import SECRET

IDLE_SHARE = 0.15  # of the time, for the measure without attacks
WORSE_AT_MOST = 10  # times the p99 of a client that is alone
FLOOR_S = 0.005  # below that an idle p99 says more about the machine than about the service
BACK_S = 10.0  # until memory is back
BACK_TO = 64 << 20  # above what it was when it had answered large pages before
LARGE_TASKS = 101
ROUND_S = 60.0  # of all kinds, one after the other

_SURPRISES = {"http_error", "http_connection_failed", "actor_crashed", PRINTED}


@dataclass
class Phase:
    """One attack: when it was, and what came of it."""

    kind: str
    began_at: float
    ended_at: float
    statuses: Counter[str]


@dataclass
class Run:
    """What happened."""

    seed: int
    idle_p99_s: float = 0.0
    phases: list[Phase] = field(default_factory=list)
    p99_s: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


async def hostile(
    folder: Path, *, seconds: float, seed: int, kinds: Sequence[str], say: Callable[[str], None]
) -> Run:
    """Attack a service for so long and return what came of it."""
    run = Run(seed)
    flags = ("--consumers", "1", "--demo-work-s", "0", "--log-level", "info")
    async with ForkedService(folder, *flags) as service:
        port = int(service.url.rpartition(":")[2])
        await _prepare(service.url)
        run.memory["before"] = memory_of(service.pid)
        idle_s = seconds * IDLE_SHARE
        over = folder / "over"
        probing = asyncio.create_task(asyncio.to_thread(apart, probe, port, str(over)))
        await asyncio.sleep(idle_s)
        attacks_at = time.monotonic()
        await _attack(run, port, seconds - idle_s, kinds, say)
        over.touch()
        await _memory_is_back(run, service.pid)
        _judge(run, await probing, attacks_at)
        await _still_serves(run, service.url)
        code = await service.stop()
        if code != 0:
            run.violations.append(f"the service ended with {code}")
        _judge_log(run, service, await service.complaint())
    return run


async def _prepare(url: str) -> None:
    """Have tasks that make large pages and are not run; have such pages answered once."""
    text = "x" * ((1 << 20) - 200)
    task = {"action": "uppercase", "data": {"text": text}, "delay_s": 1e6}
    async with aiohttp.ClientSession(base_url=url) as http:
        for _ in range(LARGE_TASKS):
            body = json.dumps(task).encode()
            async with http.post("/tasks", data=aiohttp.BytesPayload(body)) as answer:
                assert answer.status == 202, await answer.text()
        for _ in range(8):
            async with http.get("/tasks") as answer:
                await answer.read()


async def _attack(
    run: Run, port: int, seconds: float, kinds: Sequence[str], say: Callable[[str], None]
) -> None:
    random = Random(run.seed)
    rounds = max(1, round(seconds / ROUND_S))
    each_s = seconds / rounds / len(kinds)
    for turn in range(rounds):
        for kind in random.sample(kinds, len(kinds)):
            seed = f"{run.seed}/{turn}/{kind}"
            began_at = time.monotonic()
            ledger = await asyncio.to_thread(apart, _attack_apart, kind, port, each_s, seed)
            run.phases.append(Phase(kind, began_at, time.monotonic(), ledger.statuses))
            run.violations += [f"{kind} ({seed}): {each}" for each in ledger.violations[:5]]
            say(f"{kind}: {dict(ledger.statuses)}")


def _attack_apart(kind: str, port: int, seconds: float, seed: str) -> attacks.Ledger:
    os.nice(10)  # the attack is on the service, not on the processors it shares with it
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return asyncio.run(attacks.attack(kind, port=port, seconds=seconds, seed=seed))


def memory_of(pid: int) -> int:
    """Return how much memory a process and those below it have."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() + sum(map(memory_of, children_of(pid)))


async def _memory_is_back(run: Run, pid: int) -> None:
    limit = run.memory["before"] + BACK_TO
    run.memory["after"] = memory_of(pid)
    end = time.monotonic() + BACK_S
    while (now := memory_of(pid)) > limit and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    run.memory["back"] = now
    if now > limit:
        run.violations.append(f"memory is not back: {run.memory}")


def _judge(run: Run, samples: Sequence[Sample], attacks_at: float) -> None:
    run.requests = len(samples)
    statuses = Counter(sample.status for sample in samples)
    if set(statuses) != {"202"}:
        run.violations.append(f"the well-behaved client was answered {dict(statuses)}")
    run.idle_p99_s = p99([each.took_s for each in samples if each.at + each.took_s < attacks_at])
    bound_s = WORSE_AT_MOST * max(FLOOR_S, run.idle_p99_s)
    for kind in {phase.kind for phase in run.phases}:
        took = [
            sample.took_s
            for phase in run.phases
            for sample in samples
            if phase.kind == kind and phase.began_at <= sample.at <= phase.ended_at
        ]
        run.p99_s[kind] = p99(took) if took else PATIENCE_S
        if run.p99_s[kind] > bound_s:
            run.violations.append(
                f"{kind}: p99 of a well-behaved client {run.p99_s[kind]:.3f} s, "
                f"alone {run.idle_p99_s:.4f} s"
            )


PATIENCE_S = 20.0


def p99(samples: Sequence[float]) -> float:
    """Return what 99 of 100 samples do not exceed."""
    return sorted(samples)[ceil(0.99 * len(samples)) - 1]


async def _still_serves(run: Run, url: str) -> None:
    async with aiohttp.ClientSession(base_url=url) as http:
        for path in ("/ready", "/tasks?limit=1", "/supervision"):
            async with http.get(path) as answer:
                if answer.status != 200:
                    run.violations.append(f"{path} is {answer.status} afterwards")


def _judge_log(run: Run, service: ServiceProcess, complaint: str) -> None:
    if complaint.strip():
        run.violations.append(f"on standard error: {complaint[:500]!r}")
    texts = [json.dumps(event) for event in service.events._events if event["event"] in _SURPRISES]
    texts += [
        text
        for text in map(json.dumps, service.events._events)
        if SECRET in text or "Traceback" in text
    ]
    run.violations += [f"in the log: {text[:1000]}" for text in texts[:5]]
    if len(texts) > 5:
        run.violations.append(f"in the log: {len(texts) - 5} more such lines")
