"""Misdeeds of middleware and hooks, which find their names in the source of a task's handler."""

from tests.misdeeds.kinds import EVERYWHERE, Catalogue

AROUND = Catalogue()
CODE: dict[str, str] = {}
"""What each of them does, by the name of its kind."""

_IN_THE_HANDLER = "pass"


def _middleware(name: str, code: str, *, takes_down: bool = False, harmless: bool = False) -> None:
    """Add code that runs before `return await call_next()`."""
    _add(f"middleware/{name}", code, takes_down=takes_down, harmless=harmless)


def _hook(name: str, code: str) -> None:
    """Add the body of a hook, which harms no task."""
    _add(f"hooks/{name}", code, harmless=True)


def _add(name: str, code: str, *, takes_down: bool = False, harmless: bool) -> None:
    AROUND.deed(name, _IN_THE_HANDLER, EVERYWHERE, takes_down=takes_down, harmless=harmless)
    CODE[name] = code


_ODD = "class E(Exception):\n    def __str__(self): raise SystemExit(3)\nraise E()"

_middleware("raises", "raise ValueError('odd')")
_middleware("raises_odd", _ODD)
_middleware("raises_after", "await call_next()\nraise ValueError('odd')")
_middleware("swallows", "try: return await call_next()\nexcept Exception: return 'odd'")
_middleware("returns_odd", "await call_next()\nreturn object()")
_middleware("rejects", "raise Reject('odd')")
_middleware("exits", "raise SystemExit(3)", takes_down=True)
_middleware("generator_exit", "raise GeneratorExit", takes_down=True)
_middleware("slow", "await pause_async(0.2)", harmless=True)
_middleware("blocks", "pause(0.05)", harmless=True)
_middleware("stops_loop", "asyncio.get_running_loop().stop()", harmless=True)
_middleware("cancels_itself", "asyncio.current_task().cancel()")
_middleware("cancels_later", "asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)")
_middleware("cancels_all", "for task in asyncio.all_tasks(): task.cancel()")
_middleware("hides_loop", "asyncio._set_running_loop(None)")
_middleware("never_awaits", "call_next()\nraise ValueError('odd')")

_hook("raises", "raise ValueError('odd')")
_hook("raises_odd", _ODD)
_hook("exits", "raise SystemExit(3)")
_hook("generator_exit", "raise GeneratorExit")
_hook("hangs", "await asyncio.get_running_loop().create_future()")
_hook("slow", "await pause_async(0.2)")
_hook("blocks", "pause(0.05)")
_hook("stops_loop", "asyncio.get_running_loop().stop()")
_hook("cancels_itself", "asyncio.current_task().cancel()\nawait pause_async(0.01)")
_hook("cancels_all", "for task in asyncio.all_tasks(): task.cancel()")
_hook("hides_loop", "asyncio._set_running_loop(None)")
_hook("task_raises", "async def f(): raise ValueError('odd')\nasyncio.create_task(f())")
