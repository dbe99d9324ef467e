"""The stack of a handler, as seen from another thread; no code of the user runs for it.

    suspended coroutine: handler ─awaits─▶ helper ─awaits─▶ library        the frames of user code
    running thread:      ours ─calls─▶ handler ─calls─▶ helper ─calls─▶ library           likewise

Only frames, code objects and coroutines of Python's own types are read, never values. Each read is
one step under the interpreter's lock, so what runs meanwhile is at worst shown at an older line.
"""

import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from types import CoroutineType, FrameType, GeneratorType
from typing import Final, TypeAlias

from taskqueue.foreign.inspection import plain
from taskqueue.rules.running import HandlerLine, HandlerStack

Frames: TypeAlias = Mapping[int, FrameType]
"""The frame that each thread is in, by the thread's identifier."""

MOST_FRAMES = 500
"""How many frames of one handler are looked at, so that a deep recursion costs no more."""

MOST_CALLS = 30
"""How many of them a stack has: the innermost. A process sends them in one datagram."""

MOST_TEXT = 200
"""Characters of a file's or a function's name."""

_HERE: Final = Path(__file__).parent
_PACKAGE, _OURS, _PIPES = (f"{each}/" for each in (_HERE.parent, _HERE, _HERE.parent / "children"))
_STDLIB: Final = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")


def stack_of_coroutine(coroutine: object, thread: FrameType | None) -> HandlerStack:
    """Return the stack of a handler that is a coroutine.

    Args:
        coroutine: that calls the handler.
        thread: the frame that the thread of its loop is in.
    """
    if type(coroutine) is CoroutineType and coroutine.cr_running:
        return stack_of_thread(thread)
    return _stack([frame for frame in _awaited(coroutine) if not _is_in(frame, _OURS)][::-1])


def stack_of_thread(frame: FrameType | None) -> HandlerStack:
    """Return the stack of the handler that a thread runs; it is empty if it runs none."""
    return _stack(_called_by_us([*_outward(frame)]))


def _stack(frames: Sequence[FrameType]) -> HandlerStack:
    """Return what is of the user among a handler's frames, innermost first.

    A handler that is a library's is shown by its own frame.
    """
    of_user = (frame for frame in frames if _is_users(_file(frame)))
    shown = [*islice(of_user, MOST_CALLS + 1)] or [*frames[-1:]]
    calls = tuple(_line(frame) for frame in reversed(shown[:MOST_CALLS]))
    return HandlerStack(calls=calls, truncated=len(shown) > MOST_CALLS)


def _line(frame: FrameType) -> HandlerLine:
    code = frame.f_code
    return HandlerLine(
        file=_file(frame)[-MOST_TEXT:],
        number=frame.f_lineno or code.co_firstlineno,
        function=plain(code.co_name)[:MOST_TEXT],
    )


def _awaited(awaiting: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine that waits, from its own to the innermost."""
    for _ in range(MOST_FRAMES):
        frame: FrameType | None
        if type(awaiting) is CoroutineType:
            frame, awaiting = awaiting.cr_frame, awaiting.cr_await
        elif type(awaiting) is GeneratorType:
            frame, awaiting = awaiting.gi_frame, awaiting.gi_yieldfrom
        else:
            return
        if frame is not None:
            yield frame


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of a thread, innermost first."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _called_by_us(frames: Sequence[FrameType]) -> Sequence[FrameType]:
    """Return those frames that an executor has called, up to the handler's own."""
    for depth, (frame, caller) in enumerate(pairwise(frames), start=1):
        if _is_in(caller, _OURS) and not _is_in(frame, _OURS, _PIPES):
            return frames[:depth]
    return frames if len(frames) == MOST_FRAMES else ()


def _is_users(file: str) -> bool:
    if file.startswith("<") or any(installed in file for installed in _INSTALLED):
        return False
    return not file.startswith((_PACKAGE, *_STDLIB))


def _is_in(frame: FrameType, *folders: str) -> bool:
    return _file(frame).startswith(folders)


def _file(frame: FrameType) -> str:
    return plain(frame.f_code.co_filename)
