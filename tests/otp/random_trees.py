"""Random trees of real actors, hit with random trouble, for as long as it is told.

    python -m tests.otp.random_trees --seconds 60 --seed 7

Episodes take turns. In a sequential one time is virtual, and after each action the tree is compared
with a model: the order of all starts and ends, who is there and how often it was started. In a
concurrent one several callers act at the same time on a real loop, and what must hold in any order
is checked. In both, every call is answered and nothing is left when the root has ended. The same
seed draws the same episodes; the interleaving of a concurrent one is the machine's.

    model        what OTP does         random_plans  trees and actions
    planned      the real actors       invariants    what holds in any order
"""

import argparse
import asyncio
import contextlib
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

from taskqueue.errors import StartFailed as RealStartFailed
from taskqueue.runtime import SHUTDOWN, System
from taskqueue.supervision import picture, snapshot
from tests.otp.invariants import broken_at_rest, broken_by_stop
from tests.otp.model import Model, StartFailed, SupervisorPlan, WorkerPlan
from tests.otp.planned import Forest, Sight
from tests.otp.quiet import quiet
from tests.otp.random_plans import Action, Draw
from tests.otp.virtual_time import VirtualTimeLoop

LIMIT_S = 20.0  # of an episode, which takes some milliseconds
ACTIONS = 40


class Differs(AssertionError):
    """An episode did not go as it should."""


class Hangs(AssertionError):
    """An episode did not come to an end."""


def run(seed: int, seconds: float, first: int = 0) -> int:
    """Run episodes for so long, at least one; return how many.

    Raises:
        Exception: whatever went wrong, with a note of the seed, the episode and its actions.
    """
    until = time.monotonic() + seconds
    number = first
    with quiet():
        while number == first or time.monotonic() < until:
            run_episode(seed, number)
            number += 1
    return number - first


def run_episode(seed: int, number: int) -> None:
    """Run one episode: an even one is sequential, an odd one concurrent."""
    random = Random(f"{seed}/{number}")
    concurrent = number % 2 == 1
    draw = Draw(random, threads=concurrent)
    tree = draw.tree()
    actions = draw.actions(ACTIONS, concurrent=concurrent)
    threads = set(threading.enumerate())
    try:
        if concurrent:
            with asyncio.Runner() as runner:
                runner.run(_concurrently(tree, draw.plans, actions, callers=random.randint(2, 5)))
        else:
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                runner.run(_one_by_one(tree, actions))
        _expect("threads that are left", set(), set(threading.enumerate()) - threads)
    except BaseException as error:
        error.add_note(_story(seed, number, tree, actions))
        raise


# --- a sequential episode -------------------------------------------------------------------


async def _one_by_one(tree: SupervisorPlan, actions: list[Action]) -> None:
    async with System() as system:
        forest = Forest(system)
        model = Model(forest.clock.monotonic())
        with _limited(forest):
            expected = _outcome_of_model(model, tree)
            _expect("the start", expected, await _outcome_of_start(forest, tree))
            await _compare("start", model, forest)
            for number, action in enumerate(actions):
                what = f"action {number}, {action}"
                answer = asyncio.ensure_future(forest.perform(action))
                await _loop().rest()
                if not answer.done():
                    raise Hangs(f"{what}: at rest without an answer")
                _expect(f"the answer to {what}", _tell_model(model, action), await answer)
                await _compare(what, model, forest)
            model.stop_root()
            await _stop(forest)
            await _compare("stop", model, forest)
            await _expect_nothing_left(forest)


def _loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def _outcome_of_model(model: Model, tree: SupervisorPlan) -> str:
    try:
        model.start_root(tree)
    except StartFailed:
        return "failed"
    return "ok"


async def _outcome_of_start(forest: Forest, tree: SupervisorPlan) -> str:
    try:
        await forest.plant(tree)
    except RealStartFailed:
        return "failed"
    return "ok"


def _tell_model(model: Model, action: Action) -> str:
    path, child = action.path, action.child
    match action.do:
        case "advance":
            model.now += action.seconds
        case "end":
            model.end(path, action.reason)
        case "signal":
            model.signal(path, action.reason)
        case "kill":
            model.kill(path)
        case "start_child":
            assert action.plan is not None
            return model.start_child(path, child, action.plan)
        case "terminate_child":
            return model.terminate_child(path, child)
        case "restart_child":
            return model.restart_child(path, child)
        case "delete_child":
            return model.delete_child(path, child)
    return ""


async def _compare(what: str, model: Model, forest: Forest) -> None:
    await _loop().rest()
    expected, is_ordered = model.take()
    happened = forest.take()
    if is_ordered:
        _expect(f"starts and ends after {what}", expected, happened)
    else:
        _expect(f"starts and ends after {what}", Counter(expected), Counter(happened))
    sight = await forest.look()
    _expect(f"the children after {what}", model.view(), sight.view())
    _expect(f"the counts after {what}", model.counts(), _counts(sight))


def _counts(sight: Sight) -> dict[str, tuple[int, ...]]:
    return {
        path: (each.specs, each.active, each.supervisors, each.workers)
        for path, each in sight.counts.items()
    }


# --- a concurrent episode -------------------------------------------------------------------


async def _concurrently(
    tree: SupervisorPlan, plans: dict[str, WorkerPlan], actions: list[Action], callers: int
) -> None:
    async with System(kill_grace_s=LIMIT_S) as system:
        forest = Forest(system)
        with _limited(forest):
            await _outcome_of_start(forest, tree)
            try:
                async with asyncio.TaskGroup() as group:
                    for nth in range(callers):
                        group.create_task(_call(forest, actions[nth::callers]))
                sight = await forest.rest()
                broken = list(broken_at_rest(forest, sight, plans))
                _expect("what is wrong at rest", [], broken)
                begin = len(forest.journal)
                await _stop(forest)
                await _expect_nothing_left(forest)
                broken = list(broken_by_stop(forest.journal[begin:], sight, plans))
                _expect("what is wrong at the stop", [], broken)
            except asyncio.CancelledError:
                raise Hangs(await _who_is_left(forest)) from None


async def _call(forest: Forest, actions: list[Action]) -> None:
    for action in actions:
        await asyncio.sleep(action.pause_s)
        await forest.perform(action)


async def _who_is_left(forest: Forest) -> str:
    left = ", ".join(sorted(str(ref) for ref in forest.system.actors))
    if forest.root is None or not forest.root.is_alive():
        return f"left without a root: {left}"
    return f"{picture(await snapshot(forest.root))}\nalive: {left}"


# --- both -----------------------------------------------------------------------------------


async def _stop(forest: Forest) -> None:
    root = forest.root
    if root is not None:
        root.exit(SHUTDOWN)
        await root.ended()


async def _expect_nothing_left(forest: Forest) -> None:
    """Whoever is left but on his way out is waited for; who stays runs into the limit."""
    for ref in forest.system.actors:
        await ref.ended()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)


@contextlib.contextmanager
def _limited(forest: Forest) -> Iterator[None]:
    """Fail what takes too long on the real clock; a timer of the loop would be virtual."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    timer = threading.Timer(LIMIT_S, loop.call_soon_threadsafe, [task.cancel])
    timer.start()
    try:
        yield
    except asyncio.CancelledError:
        left = ", ".join(sorted(str(ref) for ref in forest.system.actors))
        raise Hangs(f"alive: {left}") from None
    finally:
        timer.cancel()
        timer.join()


def _expect(what: str, expected: object, got: object) -> None:
    if got != expected:
        raise Differs(f"{what}\n  expected {expected}\n       got {got}")


def _story(seed: int, number: int, tree: SupervisorPlan, actions: list[Action]) -> str:
    kind = "concurrent" if number % 2 else "sequential"
    again = f"python -m tests.otp.random_trees --seed {seed} --first {number} --seconds 0"
    return "\n".join(
        [
            f"seed {seed}, episode {number} ({kind}); again: {again}",
            *_lines(tree),
            *(f"{nth:3} {action}" for nth, action in enumerate(actions)),
        ]
    )


def _lines(plan: WorkerPlan, indent: str = "") -> Iterator[str]:
    if not isinstance(plan, SupervisorPlan):
        yield f"{indent}{plan}"
        return
    yield (
        f"{indent}{plan.id}: {plan.strategy}, {plan.max_restarts} in {plan.period_s} s, "
        f"{plan.restart}, shutdown {plan.shutdown}, auto_shutdown {plan.auto_shutdown}, "
        f"significant {plan.significant}, outcomes {plan.outcomes}"
    )
    for child in plan.children:
        yield from _lines(child, indent + "  ")


def main(arguments: list[str] | None = None) -> int:
    """Run episodes; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.otp.random_trees", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long (default: 10)")
    parser.add_argument("--seed", type=int, help="default: drawn, and printed")
    parser.add_argument("--first", type=int, default=0, help="the episode to begin with")
    options = parser.parse_args(arguments)

    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    _say(f"seed {seed}")
    episodes = run(seed, options.seconds, options.first)
    _say(f"{episodes} episodes, all as they should be")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is the user interface


if __name__ == "__main__":
    sys.exit(main())
