"""Random scripts, run with Erlang's processes here and now, and with actors.

Each statement comes to rest before the next, so little is left to chance: the order of signals from
different senders, and what an actor still does after it has sent a signal. A script differs if
actors never do what Erlang does each time. What differs on purpose is not drawn, or not compared.
Only children trap exits: a process that `gen_server:start` started is its own parent, so its own
exit signal ends it.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.otp.canonical import Json
from tests.otp.pairs import compare

BATCH = 60
STATEMENTS = 6
RUNS = 3  # of a script that differs, before that is believed
THREADED = 40  # runs with another order of signals each, where OTP leaves it open

NAMES = ("a", "b", "c", "d")
REASONS = ("normal", "shutdown", "shutdown:x", "killed", "boom")


def main(seed: int, seconds: float) -> int:
    """Compare random scripts for so long; print a ledger, return the exit code."""
    _say(f"seed {seed}")
    until, played = time.monotonic() + seconds, 0
    while not played or time.monotonic() < until:
        drawn = {
            f"{seed}/{number}": _script(Random(f"{seed}/{number}"))
            for number in range(played, played + BATCH)
        }
        played += len(drawn)
        for name, expected, got in _differing(drawn):
            _say(f"{name}: {drawn[name]}", f"   OTP  {expected}", f"   here {got}")
            return 1
    _say(f"{played} scripts, all alike")
    return 0


def _differing(drawn: dict[str, str]) -> Iterator[tuple[str, Json, Json]]:
    """Return the scripts that differ, each time Erlang runs them."""
    got = {name: _comparable(compare.play(drawn[name], threads=False)) for name in drawn}
    for _ in range(RUNS):
        if not drawn:
            return
        expected = {name: _comparable(result) for name, result in _run_erlang(drawn).items()}
        drawn = {name: script for name, script in drawn.items() if expected[name] != got[name]}
    for name, script in drawn.items():
        if not _happens(script, expected[name]):
            yield name, expected[name], got[name]


def _happens(script: str, expected: Json) -> bool:
    """Tell whether actors with threads of their own, in some order, do what Erlang did."""
    return any(_comparable(compare.play(script, threads=True)) == expected for _ in range(THREADED))


def _run_erlang(drawn: dict[str, str]) -> dict[str, Json]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}: {script}\n" for name, script in drawn.items()))
        file.flush()
        return compare.results(compare.run_erlang(Path(file.name)))


def _comparable(results: Json) -> Json:
    """Leave out why a call failed, and the order of what different senders sent."""
    match results:
        case ["ok", [*heard]]:
            return ["ok", sorted((each for each in heard if each != "late"), key=_sender)]
        case ["exit", _]:
            return ["exit"]
        case [*parts]:
            return [_comparable(part) for part in parts]
    return results


def _sender(heard: list[Json]) -> tuple[str, str]:
    what, who, reason = heard
    return who, what if reason == "noproc" else ""


def _script(random: Random) -> str:
    parts = [*_start(random)]
    watched: set[tuple[str, str]] = set()
    for _ in range(STATEMENTS):
        parts += [_statement(random, watched), "rest"]
    parts += [f"ended {name}" for name in NAMES]
    parts += [f"heard {name}" for name in NAMES]
    return "; ".join([*parts, "stops"])


def _start(random: Random) -> Iterator[str]:
    for nth, name in enumerate(NAMES):
        end = random.choice(("", "", " end=other", " end=crash:e"))
        if nth and random.random() < 0.7:
            trap = random.choice(("", " trap"))
            yield f"child {random.choice(NAMES[:nth])} {name}{trap}{end}"
        else:
            yield f"start {name}{end}"


def _statement(random: Random, watched: set[tuple[str, str]]) -> str:
    who, other = random.choice(NAMES), random.choice(NAMES)
    match random.randrange(10):
        case 0:
            return f"kill {who}"
        case 1:
            return f"stop {who} {random.choice(REASONS)}"
        case 2:
            return f"tell {who} die {random.choice(REASONS)}"
        case 3:
            return f"tell {who} crash oops"
        case 4:
            return f"ask {who} unlink {other}"
        case 5 if watched:
            return "ask {} demonitor {}".format(*random.choice(sorted(watched)))
        case _:
            return f"ask {who} {', '.join(_ops(random, who, watched))}"


def _ops(random: Random, who: str, watched: set[tuple[str, str]]) -> Iterator[str]:
    signalled: set[str] = set()
    for _ in range(random.randint(1, 4)):
        other = random.choice(NAMES)
        match random.choice(("link", "link", "monitor", "exit", "kill", "alive")):
            case "exit" | "kill" if signalled:
                yield f"monitor {other}"
                watched.add((who, other))
            case "link" | "alive" if signalled:
                yield f"note {other} late"
            case "kill":
                signalled.add(other)
                yield f"kill {other}"
            case "exit":
                signalled.add(other)
                yield f"exit {other} {random.choice(REASONS)}"
            case "monitor":
                watched.add((who, other))
                yield f"monitor {other}"
            case op:
                yield f"{op} {other}"


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201 - it is the user interface
