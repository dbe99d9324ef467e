"""Ends of a handler: odd exceptions, verdicts and cancellations."""

from tests.misdeeds.kinds import ASYNC, Catalogue

ENDS = Catalogue()
_end = ENDS.end


def _raises(name: str, body: str, made: str = "E()") -> None:
    """Add an exception of a class with this body."""
    _end(f"exceptions/{name}", f"class E(Exception):\n    {body}\nraise {made}")


# --- exceptions that are hard to render ----------------------------------------------------------

_raises("plain", "pass", "E('plain')")
_raises("getattr", '__getattr__ = lambda self, name: self.__dict__["data"][name]')
_raises("getattribute", "def __getattribute__(self, name): raise RuntimeError(name)")
_raises("str", "def __str__(self): raise KeyError(1)")
_raises("repr", "def __repr__(self): raise KeyError(1)", "E(E())")
_raises("str_no_text", "def __str__(self): return 1")
_raises("str_recurses", "def __str__(self): return str(self)")
_raises("str_exits", "def __str__(self): raise SystemExit(3)")
_raises("str_interrupts", "def __str__(self): raise KeyboardInterrupt")
_raises("str_cancels", "def __str__(self): raise asyncio.CancelledError")
_raises("bool", "def __bool__(self): raise ValueError('ambiguous')")
_raises("len", "def __len__(self): raise ValueError('endless')")
_raises("eq", "def __eq__(self, other): raise ValueError\n    def __hash__(self): raise ValueError")
_raises("notes_raise", "@property\n    def __notes__(self): raise RuntimeError")
_raises("notes_no_list", "__notes__ = 3")
_raises("notes_odd", "def __init__(self): self.__notes__ = [self, None, b'x', 1]")
_raises("notes_endless", "def __init__(self): self.__notes__ = itertools.count()")
_raises("args_gone", "args = property(lambda self: 1 / 0)")
_raises("cause_raises", "__cause__ = property(lambda self: 1 / 0)")
_raises("context_raises", "__context__ = property(lambda self: 1 / 0)")
_raises("traceback_raises", "__traceback__ = property(lambda self: 1 / 0)")
_raises("with_traceback", "def with_traceback(self, tb): raise RuntimeError")
_raises("class_lies", "__class__ = property(lambda self: 1 / 0)")
_raises("no_module", "__module__ = None")
_raises("del_raises", "def __del__(self): raise RuntimeError")
_raises("reduce_raises", "def __reduce__(self): raise RuntimeError")
_raises(
    "str_cancels_task",
    "def __str__(self):\n        (t := asyncio.current_task()) and t.cancel()\n        return 'x'",
)
_raises("str_hides_loop", "def __str__(self): return str(asyncio._set_running_loop(None))")
_raises("large", "pass", "E('x' * 3_000_000)")
_raises("surrogates", "pass", "E('\\ud800 \\0 \\x1b[31m \\u202e')")
_raises("bytes", "pass", "E(b'\\xff\\xfe')")
_raises("needs_arguments", "def __init__(self, a, b): pass", "E(1, 2)")
_raises("str_subclass", "def __str__(self): return type('S', (str,), {'split': None})('x')")
_end("exceptions/no_instance", "raise type('E', (Exception,), {'__new__': lambda cls: 1})")
_end("exceptions/no_exception", "raise 1")
_end(
    "exceptions/metaclass",
    """
    class Meta(type):
        __qualname__ = property(lambda cls: 1 / 0)
        __name__ = property(lambda cls: 1 / 0)
        __module__ = property(lambda cls: 1 / 0)
        def __repr__(cls): raise RuntimeError
    class E(Exception, metaclass=Meta): pass
    raise E("x")
    """,
)
_end("exceptions/syntax_bytes", "raise SyntaxError('odd', ('f.py', 1, 2, b'\\xff'))")
_end("exceptions/syntax_offset", "raise SyntaxError('odd', ('f.py', 1, 'far', 'x = 1'))")
_end("exceptions/syntax_real", "compile('x = = 1', '<string>', 'exec')")
_end("exceptions/unicode", "raise UnicodeDecodeError('utf-8', b'\\xff' * 9, 0, 1, 'odd')")
_end("exceptions/os_error", "raise OSError(5, 'x', object(), None, b'y')")
_end("exceptions/stop_iteration", "raise StopIteration(3)")
_end("exceptions/stop_async", "raise StopAsyncIteration")
_end("exceptions/import_error", "import no_such_module_anywhere")
_end("exceptions/memory", "raise MemoryError")
_end("exceptions/timeout", "raise TimeoutError")
_end("exceptions/broken_pipe", "raise BrokenPipeError(32, 'reader gone')")
_end("exceptions/eof", "raise EOFError")
_end("exceptions/connection", "raise ConnectionResetError(104, 'reset')")
_end("exceptions/group", "raise ExceptionGroup('g', [ValueError(i) for i in range(2000)])")
_end(
    "exceptions/group_deep",
    """
    error = ValueError(1)
    for _ in range(500):
        error = ExceptionGroup("deeper", [error])
    raise error
    """,
)
_end(
    "exceptions/group_subclass",
    """
    class G(ExceptionGroup):
        def derive(self, excs): raise RuntimeError
        def __str__(self): raise RuntimeError
        exceptions = property(lambda self: 1 / 0)
    raise G("g", [ValueError()])
    """,
)
_end(
    "exceptions/cause_chain",
    """
    error = None
    for number in range(3000):
        after, error = error, ValueError(number)
        error.__cause__ = after
    raise error
    """,
)
_end(
    "exceptions/cause_circle",
    """
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    raise first
    """,
)
_end("exceptions/recursion", "def down(): return down() + 1\ndown()")
_end("exceptions/deep_repr", "deep = []\nfor _ in range(5000): deep = [deep]\nraise KeyError(deep)")
_end("exceptions/shared", "raise sys.modules.setdefault('shared', ValueError('one for all'))")
_end(
    "exceptions/source_gone",
    """
    exec(compile("def f():\\n raise ValueError('x')", "/no/such/file.py", "exec"), ns := {})
    ns["f"]()
    """,
)
_end(
    "exceptions/loader_raises",
    """
    class Loader:
        def get_source(self, name): raise RuntimeError
    ns = {"__name__": "odd", "__loader__": Loader()}
    exec(compile("def f():\\n raise ValueError('x')", "<odd>", "exec"), ns)
    ns["f"]()
    """,
)
_end("exceptions/assertion", "assert ctx is None, {1: {2}}")
_end("exceptions/warning", "warnings.simplefilter('error')\nwarnings.warn('odd')")
_end("exceptions/json", "json.loads('{')")
_end("exceptions/msgspec", "msgspec.convert({}, int)")

# --- not an Exception: crashes the consumer, as documented ---------------------------------------

_end("exits/system_exit", "raise SystemExit(3)", takes_down=True)
_end("exits/system_exit_odd", "raise SystemExit({1})", takes_down=True)
_end("exits/sys_exit_none", "sys.exit()", takes_down=True)
_end("exits/keyboard_interrupt", "raise KeyboardInterrupt", takes_down=True)
_end("exits/generator_exit", "raise GeneratorExit", takes_down=True)
_end("exits/base_exception", "raise BaseException('base')", takes_down=True)
_end("exits/base_group", "raise BaseExceptionGroup('g', [SystemExit(1)])", takes_down=True)
_end(
    "exits/base_str",
    "class E(BaseException):\n    def __str__(self): raise RuntimeError\nraise E",
    takes_down=True,
)
_end(
    "exits/base_getattr",
    "class E(BaseException):\n    __getattr__ = lambda self, n: self.__dict__['d'][n]\nraise E",
    takes_down=True,
)
_end(
    "exits/base_repr",
    "class E(BaseException):\n    def __repr__(self): raise SystemExit(4)\nraise E",
    takes_down=True,
)

# --- verdicts ------------------------------------------------------------------------------------

for _delay in (
    *("decimal.Decimal('0.05')", "True", "False", "fractions.Fraction(1, 20)", "0.0", "-0.0"),
    *("-1", "float('nan')", "float('inf')", "10**400", "'0.1'", "None", "b'1'", "[0.1]", "1e-320"),
    *("datetime.timedelta(seconds=0.1)", "type('F', (float,), {})(0.05)", "1j", "object()"),
    *("type('I', (int,), {'__float__': lambda s: 1 / 0})(0)",),
):
    _end(f"verdicts/retry_{_delay}", f"raise Retry(after_s={_delay})")
    if _delay not in {"True", "None"}:
        _end(f"verdicts/snooze_{_delay}", f"if ctx.task.deliveries < 3: raise Snooze({_delay})")

for _name in ("Retry", "Snooze", "Reject", "Cancel"):
    _end(
        f"verdicts/{_name}_no_super",
        f"""
        class V({_name}):
            def __init__(self, *args): pass
        if ctx.task.deliveries < 3: raise V()
        """,
    )
    _end(
        f"verdicts/{_name}_attributes",
        f"""
        class V({_name}): pass
        verdict = V(0.05)
        verdict.reason = object()
        verdict.delay_s = verdict.after_s = None
        if ctx.task.deliveries < 3: raise verdict
        """,
    )
    _end(
        f"verdicts/{_name}_properties",
        f"""
        class V({_name}):
            reason = property(lambda self: 1 / 0, lambda self, value: None)
            delay_s = after_s = reason
        if ctx.task.deliveries < 3: raise V(0.05)
        """,
    )
    _end(f"verdicts/{_name}_class", f"if ctx.task.deliveries < 3: raise {_name}")
_end("verdicts/reject_odd", "raise Reject(object())")
_end("verdicts/reject_large", "raise Reject('x' * 2_000_000)")
_end("verdicts/reject_surrogate", "raise Reject('\\ud800\\0')")
_end("verdicts/cancel_bytes", "raise Cancel(b'\\xff')")
_end("verdicts/cancel_str_subclass", "raise Cancel(type('S', (str,), {})('enough'))")
_end("verdicts/cancel_in_group", "raise ExceptionGroup('g', [Cancel('x'), Retry()])")
_end("verdicts/both", "class V(Reject, Cancel): pass\nraise V('both')")
_end("verdicts/returned", "return Retry()")

# --- cancellations that end the handler ----------------------------------------------------------

_end("cancels/raised", "raise asyncio.CancelledError")
_end("cancels/raised_odd", "raise asyncio.CancelledError({1: object()})")
_end("cancels/subclass", "class C(asyncio.CancelledError): pass\nraise C('x')")
_end("cancels/futures", "import concurrent.futures\nraise concurrent.futures.CancelledError")
_end("cancels/self", "asyncio.current_task().cancel()\nawait asyncio.sleep(0)", ASYNC)
_end("cancels/self_and_return", "asyncio.current_task().cancel()\nreturn 1", ASYNC)
_end("cancels/self_and_raise", "asyncio.current_task().cancel('x')\nraise ValueError", ASYNC)
_end(
    "cancels/twice",
    "t = asyncio.current_task()\nt.cancel()\nt.cancel()\nawait asyncio.sleep(1)",
    ASYNC,
)
_end(
    "cancels/timer_caught",
    """
    asyncio.get_running_loop().call_later(0.01, asyncio.current_task().cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(1)
    return "caught"
    """,
    ASYNC,
)
_end(
    "cancels/timer_uncaught",
    "asyncio.get_running_loop().call_later(0.01, asyncio.current_task().cancel)\nawait asyncio.sleep(1)",
    ASYNC,
)
_end(
    "cancels/timer_raises",
    """
    asyncio.get_running_loop().call_later(0.01, asyncio.current_task().cancel)
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError as error:
        raise TimeoutError from error
    """,
    ASYNC,
)
_end(
    "cancels/timer_late",
    "asyncio.get_running_loop().call_later(0.05, asyncio.current_task().cancel)\nreturn 1",
    ASYNC,
)
_end(
    "cancels/soon",
    "asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)\nreturn 1",
    ASYNC,
)
_end(
    "cancels/from_thread",
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    threading.Thread(target=loop.call_soon_threadsafe, args=(task.cancel,)).start()
    await asyncio.sleep(0.1)
    """,
    ASYNC,
)
_end(
    "cancels/group_failed",
    """
    async def fail(): raise ValueError
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(1)
    except* ValueError:
        pass
    asyncio.current_task().cancel()
    await asyncio.sleep(1)
    """,
    ASYNC,
)
_end(
    "cancels/timeout_then_self",
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1)
    asyncio.current_task().cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(1)
    """,
    ASYNC,
)
_end(
    "cancels/uncancel_too_often",
    "for _ in range(5): asyncio.current_task().uncancel()\nreturn 1",
    ASYNC,
)
_end(
    "cancels/all_of_the_loop",
    "for task in asyncio.all_tasks(): task.cancel()\nawait asyncio.sleep(1)",
    ASYNC,
)
_end(
    "cancels/all_and_return",
    "for task in asyncio.all_tasks(): task.cancel()\nreturn 1",
    ASYNC,
)
_end(
    "cancels/all_others",
    "for task in asyncio.all_tasks() - {asyncio.current_task()}: task.cancel()\nreturn 1",
    ASYNC,
)
