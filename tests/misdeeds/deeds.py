"""Deeds of a handler: what it does to its loop, its process and modules that others use."""

from tests.misdeeds.kinds import ASYNC, EVERYWHERE, IN_PROCESS, Catalogue

DEEDS = Catalogue()
_deed = DEEDS.deed

# How long threads and children that are left behind run, so that a run can check that they end.
LEFT_S = 0.5

# --- loops and tasks -----------------------------------------------------------------------------

_deed("loops/run_inside", "asyncio.run(asyncio.sleep(0))")
_deed("loops/new_open", "asyncio.new_event_loop()")
_deed(
    "loops/new_and_run",
    "loop = asyncio.new_event_loop()\nloop.run_until_complete(asyncio.sleep(0))",
)
_deed("loops/set_none", "asyncio.set_event_loop(None)")
_deed("loops/set_other", "asyncio.set_event_loop(asyncio.new_event_loop())")
_deed("loops/set_closed", "asyncio.set_event_loop(l := asyncio.new_event_loop())\nl.close()")
_deed("loops/policy", "asyncio.set_event_loop_policy(None)")
_deed("loops/stop", "asyncio.get_running_loop().stop()", ASYNC)
_deed(
    "loops/stop_and_wait",
    "asyncio.get_running_loop().stop()\nawait asyncio.sleep(0.01)",
    ASYNC,
)
_deed("loops/close", "asyncio.get_running_loop().close()", ASYNC)
_deed("loops/nested", "asyncio.get_running_loop().run_until_complete(asyncio.sleep(0))", ASYNC)
_deed(
    "loops/unset_running",
    "asyncio._set_running_loop(None)\nasyncio.run(asyncio.sleep(0))",
    ASYNC,
)
_deed("loops/hide", "asyncio._set_running_loop(None)", ASYNC)
_deed("loops/show_other", "asyncio._set_running_loop(asyncio.new_event_loop())")
_deed(
    "loops/handler_raises",
    "asyncio.get_running_loop().set_exception_handler(lambda l, c: 1 / 0)",
    ASYNC,
)
_deed("loops/debug", "asyncio.get_running_loop().set_debug(True)", ASYNC)
_deed("loops/callback_raises", "asyncio.get_running_loop().call_soon(lambda: 1 / 0)", ASYNC)
_deed(
    "loops/callback_exits",
    "asyncio.get_running_loop().call_soon(sys.exit, 3)",
    ASYNC,
)
_deed("loops/timer_raises", "asyncio.get_running_loop().call_later(0.02, lambda: 1 / 0)", ASYNC)
_deed(
    "loops/timer_exits",
    "asyncio.get_running_loop().call_later(0.02, sys.exit)",
    ASYNC,
)
_deed("loops/task_raises", "async def f(): raise ValueError\nasyncio.create_task(f())", ASYNC)
_deed(
    "loops/task_exits",
    "async def f(): raise SystemExit(3)\nasyncio.create_task(f())",
    ASYNC,
)
_deed(
    "loops/task_exits_later",
    "async def f():\n    await asyncio.sleep(0.05)\n    raise SystemExit(3)\nasyncio.create_task(f())",
    ASYNC,
)
_deed("loops/task_left", f"asyncio.create_task(asyncio.sleep({LEFT_S}))", ASYNC)
_deed("loops/never_awaited", "asyncio.sleep(1)")
_deed(
    "loops/future_left",
    "asyncio.get_running_loop().create_future().set_exception(ValueError())",
    ASYNC,
)
_deed(
    "loops/executor_left",
    f"asyncio.get_running_loop().run_in_executor(None, time.sleep, {LEFT_S})",
    ASYNC,
)
_deed("loops/executor_shut", "await asyncio.get_running_loop().shutdown_default_executor()", ASYNC)
_deed("loops/block", "time.sleep(0.3)")
_deed("loops/many_turns", "for _ in range(3000): await asyncio.sleep(0)", ASYNC)
# Not 3,000: if each task fails, Python spends ten seconds on printing their tracebacks.
_deed("loops/many_tasks", "for _ in range(300): asyncio.create_task(asyncio.sleep(0.01))", ASYNC)
_deed(
    "loops/reader_gone",
    "a, b = socket.socketpair()\nasyncio.get_running_loop().add_reader(a, a.close)\nb.close()",
    ASYNC,
)
_deed(
    "loops/writer_gone",
    "a, b = socket.socketpair()\nloop = asyncio.get_running_loop()\nloop.add_writer(a, int)\nloop.add_reader(b, int)\na.close()\nb.close()",
    ASYNC,
)
_deed(
    "loops/transport_gone",
    "ends = socket.socketpair()\nsys.modules['left'] = [await asyncio.open_connection(sock=end) for end in ends]\nfor end in ends: end.close()",
    ASYNC,
)
_deed("loops/shutdown_asyncgens", "await asyncio.get_running_loop().shutdown_asyncgens()", ASYNC)
_deed(
    "loops/signal_handler",
    "asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, print)",
    ASYNC,
)
_deed(
    "loops/wait_for",
    "with contextlib.suppress(TimeoutError): await asyncio.wait_for(asyncio.sleep(9), 0.01)",
    ASYNC,
)
_deed(
    "loops/shielded",
    f"with contextlib.suppress(TimeoutError): await asyncio.wait_for(asyncio.shield(asyncio.sleep({LEFT_S})), 0.01)",
    ASYNC,
)
_deed("loops/context", "contextvars.ContextVar('odd').set(object())")

# --- threads -------------------------------------------------------------------------------------

_deed("threads/left", f"threading.Thread(target=time.sleep, args=({LEFT_S},)).start()")
_deed(
    "threads/many",
    f"for _ in range(30): threading.Thread(target=time.sleep, args=({LEFT_S},)).start()",
)
_deed("threads/raises", "threading.Thread(target=lambda: 1 / 0).start()")
_deed("threads/exits", "threading.Thread(target=sys.exit, args=('odd',)).start()")
_deed(
    "threads/hook_raises",
    "threading.excepthook = lambda args: 1 / 0\nthreading.Thread(target=lambda: 1 / 0).start()",
)
_deed(
    "threads/pool_left",
    f"__import__('concurrent.futures').futures.ThreadPoolExecutor().submit(time.sleep, {LEFT_S})",
)
_deed("threads/timer", f"threading.Timer({LEFT_S}, print, ()).cancel()")
_deed("threads/join_self", "threading.current_thread().join()")
_deed("threads/rename", "threading.current_thread().name = '\\ud800'")
_deed("threads/stack_size", "threading.stack_size(1 << 16)\nthreading.stack_size(0)")
_deed("threads/profile", "threading.setprofile(None)\nsys.setprofile(lambda *a: None)")
_deed("threads/trace", "sys.settrace(lambda *a: None)\nsys.settrace(None)")
_deed(
    "threads/async_exc",
    "ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), ctypes.py_object(ValueError))",
)
_deed(
    "threads/locks_held",
    "lock = threading.Lock()\nlock.acquire()\nsys.modules.setdefault('held', lock)",
)
_deed("threads/atexit", "__import__('atexit').register(lambda: 1 / 0)")
_deed("threads/atexit_slow", "__import__('atexit').register(time.sleep, 20)")
_deed("threads/stdin", "threading.Thread(target=sys.stdin.read, daemon=True).start()", IN_PROCESS)

# --- forks ---------------------------------------------------------------------------------------

_deed("forks/returns", "os.fork()")
_deed("forks/exits", "if os.fork() == 0: os._exit(0)")
_deed("forks/sys_exit", "if os.fork() == 0: sys.exit(0)")
_deed("forks/waits", "pid = os.fork()\nif pid == 0: os._exit(3)\nos.waitpid(pid, 0)")
_deed("forks/sleeps", f"if os.fork() == 0:\n    time.sleep({LEFT_S})\n    os._exit(0)")
_deed("forks/raises", "if os.fork() == 0: raise RuntimeError('the child')")
_deed("forks/killed", "pid = os.fork()\nif pid == 0: os.kill(os.getpid(), 9)\nos.waitpid(pid, 0)")
_deed(
    "forks/reap_all",
    "with contextlib.suppress(ChildProcessError):\n    while os.waitpid(-1, os.WNOHANG)[0]: pass",
)
_deed(
    "forks/multiprocessing",
    f"multiprocessing.get_context('fork').Process(target=time.sleep, args=({LEFT_S},)).start()",
)
_deed("forks/spawned", "subprocess.Popen(['sleep', '0.5'])")
_deed(
    "forks/spawned_session",
    "subprocess.Popen(['sleep', '0.5'], start_new_session=True, close_fds=False)",
)
_deed("forks/run", "subprocess.run(['true'], check=True)")
_deed("forks/shell", "os.system('true')")
_deed("forks/asyncio", "await (await asyncio.create_subprocess_exec('true')).wait()", ASYNC)
_deed("forks/asyncio_left", "await asyncio.create_subprocess_exec('sleep', '0.5')", ASYNC)
_deed("forks/sigchld", "signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
_deed("forks/at_fork", "os.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: 1 / 0)")
_deed("forks/setsid", "os.setsid()", IN_PROCESS)
_deed("forks/setpgrp", "os.setpgrp()", IN_PROCESS)

# --- the death of a process: only in worker processes --------------------------------------------

_deed("deaths/exit", "os._exit(7)", IN_PROCESS)
_deed("deaths/exit_zero", "os._exit(0)", IN_PROCESS)
_deed("deaths/kill", "os.kill(os.getpid(), signal.SIGKILL)", IN_PROCESS)
_deed("deaths/term", "os.kill(os.getpid(), signal.SIGTERM)", IN_PROCESS)
_deed("deaths/int", "os.kill(os.getpid(), signal.SIGINT)", IN_PROCESS)
_deed("deaths/group", "os.killpg(0, signal.SIGKILL)", IN_PROCESS)
_deed("deaths/abort", "os.abort()", IN_PROCESS)
_deed("deaths/segfault", "ctypes.string_at(1)", IN_PROCESS)
# Not by recursion in Python: since 3.11 that takes memory, but no C stack. Nor by `repr`, which
# compares each list with all around it: two seconds for each attempt, and a wave is never done.
_deed(
    "deaths/stack",
    "sys.setrecursionlimit(10**9)\none, other = [], []\nfor _ in range(200_000): one, other = [one], [other]\none == other",
    IN_PROCESS,
)
_deed("deaths/alarm", "signal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(0.05)", IN_PROCESS)
_deed(
    "deaths/stop",
    "subprocess.Popen(['sh', '-c', f'sleep 0.3; kill -CONT {os.getpid()}'])\nos.kill(os.getpid(), signal.SIGSTOP)",
    IN_PROCESS,
)
_deed("deaths/close_range", "os.closerange(3, 1024)", IN_PROCESS)
_deed("deaths/descriptors", "__import__('resource').setrlimit(7, (12, 12))", IN_PROCESS)
_deed(
    "deaths/memory",
    "__import__('resource').setrlimit(9, (1 << 28, 1 << 28))\nbytearray(1 << 29)",
    IN_PROCESS,
)
_deed("deaths/cpu", "__import__('resource').setrlimit(0, (0, 1))\nwhile True: pass", IN_PROCESS)
_deed(
    "deaths/thread_exits",
    "threading.Thread(target=os._exit, args=(5,)).start()\ntime.sleep(0.2)",
    IN_PROCESS,
)

# --- signals -------------------------------------------------------------------------------------

_deed("signals/ignore", "for n in (2, 15): signal.signal(n, signal.SIG_IGN)")
_deed(
    "signals/raise",
    "signal.signal(signal.SIGUSR1, lambda *a: 1 / 0)\nsignal.raise_signal(signal.SIGUSR1)",
)
_deed("signals/block", "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())")
_deed("signals/unblock", "signal.pthread_sigmask(signal.SIG_SETMASK, ())")
_deed("signals/wakeup", "signal.set_wakeup_fd(-1)")
_deed("signals/pipe", "signal.signal(signal.SIGPIPE, signal.SIG_DFL)")
_deed("signals/alarm", "signal.signal(signal.SIGALRM, lambda *a: 1 / 0)\nsignal.alarm(1)")
_deed("signals/chld_handler", "signal.signal(signal.SIGCHLD, lambda *a: 1 / 0)")
_deed("signals/usr1_thread", "signal.pthread_kill(threading.get_ident(), signal.SIGURG)")

# --- streams -------------------------------------------------------------------------------------

for _stream in ("stdout", "stderr", "stdin"):
    _deed(f"streams/{_stream}_close", f"sys.{_stream}.close()")
    _deed(f"streams/{_stream}_none", f"sys.{_stream} = None")
    _deed(f"streams/{_stream}_odd", f"sys.{_stream} = object()")
    _deed(
        f"streams/{_stream}_raises",
        f"sys.{_stream} = type('W', (io.StringIO,), {{'write': lambda s, t: 1 / 0, 'flush': lambda s: 1 / 0}})()",
    )
    _deed(f"streams/{_stream}_detach", f"sys.{_stream}.detach()")
    _deed(f"streams/{_stream}_original", f"sys.__{_stream}__ = None")
    _deed(f"streams/{_stream}_fd", f"os.close(sys.__{_stream}__.fileno())")
    _deed(
        f"streams/{_stream}_fd_null",
        # What a handler opens and leaves open itself is no growth of the service's.
        f"os.dup2(null := os.open(os.devnull, os.O_RDWR), sys.__{_stream}__.fileno())\nos.close(null)",
    )
    _deed(f"streams/{_stream}_nonblocking", f"os.set_blocking(sys.__{_stream}__.fileno(), False)")
_deed("streams/redirect", "contextlib.redirect_stdout(io.StringIO()).__enter__()")
_deed("streams/text", "sys.stdout.reconfigure(encoding='ascii', line_buffering=False)")
_deed("streams/surrogate", "print('\\ud800', file=sys.stderr)")
_deed("streams/stderr_much", "print('x' * 200_000, file=sys.stderr)")
_deed(
    "streams/display",
    "sys.displayhook = sys.unraisablehook = None\nsys.excepthook = lambda *a: 1 / 0",
)
_deed(
    "streams/unraisable",
    "sys.unraisablehook = lambda u: 1 / 0\ntype('O', (), {'__del__': lambda s: 1 / 0})()",
)

# --- the process's own state ---------------------------------------------------------------------

_deed("state/chdir", "os.chdir('/')")
_deed("state/chdir_gone", "import tempfile\nos.chdir(d := tempfile.mkdtemp())\nos.rmdir(d)")
_deed("state/socket_default", "socket.setdefaulttimeout(0.2)")
_deed("state/socket_default_zero", "socket.setdefaulttimeout(0)")
_deed("state/environ", "os.environ.clear()")
_deed(
    "state/environ_odd",
    "os.environ['PYTHONPATH'] = '/no/such'\nos.environ['PYTHONHOME'] = '/no/such'",
)
_deed("state/umask", "os.umask(0o777)")
_deed("state/path", "sys.path.clear()")
_deed("state/path_odd", "sys.path.insert(0, object())")
_deed("state/argv", "sys.argv = None\nsys.executable = None")
_deed(
    "state/meta_path", "sys.meta_path.insert(0, type('F', (), {'find_spec': lambda *a: 1 / 0})())"
)
_deed("state/locale", "__import__('locale').setlocale(0, 'C')")
_deed("state/tz", "os.environ['TZ'] = 'Nowhere/Odd'\ntime.tzset()")
_deed("state/gc", "gc.disable()\ngc.set_threshold(1)\ngc.collect()")
_deed("state/gc_callback", "gc.callbacks.append(lambda phase, info: 1 / 0)")
_deed("state/recursion", "sys.setrecursionlimit(200)")
_deed("state/int_digits", "sys.set_int_max_str_digits(640)")
_deed("state/switch", "sys.setswitchinterval(0.1)")
_deed("state/warnings", "warnings.simplefilter('error')")
_deed("state/warnings_shown", "warnings.showwarning = lambda *a: 1 / 0")
_deed("state/audit", "sys.addaudithook(lambda name, args: None)")
_deed(
    "state/descriptors",
    "left = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]\nfor fd in left: os.close(fd)",
)
_deed("state/random_seed", "random.seed(1)")
_deed(
    "state/decimal",
    "decimal.getcontext().prec = 1\ndecimal.getcontext().traps[decimal.Inexact] = True",
)
_deed("state/multiprocessing", "multiprocessing.set_start_method('spawn', force=True)")
_deed("state/nice", "os.nice(1)", IN_PROCESS)

# --- imports -------------------------------------------------------------------------------------

_deed("imports/unload_app", "sys.modules.pop('tests.misdeeds.app', None)")
_deed(
    "imports/unload_taskqueue",
    "for n in [n for n in sys.modules if n.startswith('taskqueue')]: del sys.modules[n]",
    IN_PROCESS,
)
_deed("imports/unload_json", "sys.modules.pop('json', None)\nimport json")
_deed("imports/none", "sys.modules['traceback'] = None")
_deed("imports/module_odd", "sys.modules['odd'] = object()")
_deed(
    "imports/module_raises",
    "sys.modules['odd2'] = type('M', (), {'__getattr__': lambda s, n: 1 / 0})()",
)
_deed(
    "imports/reload",
    "import importlib, taskqueue.api.outcomes\nimportlib.reload(taskqueue.api.outcomes)",
)
_deed("imports/reload_logging", "import importlib\nimportlib.reload(logging)")
_deed("imports/main", "sys.modules['__main__'] = None")
_deed("imports/app_twice", "import runpy\nrunpy.run_module('tests.misdeeds.app')")

# --- logging -------------------------------------------------------------------------------------

_RAISING = "type('H', (logging.Handler,), {'emit': lambda s, r: 1 / 0})()"
_deed("logs/basic_config", "logging.basicConfig(level=0, force=True)\nlogging.debug('odd')")
_deed("logs/disable", "logging.disable(99)")
_deed("logs/handler_raises", f"logging.getLogger().addHandler({_RAISING})")
_deed("logs/asyncio_handler", f"logging.getLogger('asyncio').addHandler({_RAISING})")
_deed("logs/filter_raises", "logging.getLogger().addFilter(lambda r: 1 / 0)")
_deed("logs/factory_raises", "logging.setLogRecordFactory(lambda *a, **k: 1 / 0)")
_deed("logs/class", "logging.setLoggerClass(type('L', (logging.Logger,), {'info': None}))")
_deed("logs/shutdown", "logging.shutdown()")
_deed(
    "logs/dict_config",
    "import logging.config\nlogging.config.dictConfig({'version': 1, 'disable_existing_loggers': True})",
)
_deed("logs/handlers_gone", "logging.getLogger().handlers.clear()\nlogging.error('odd')")
_deed("logs/no_raise", "logging.raiseExceptions = True\nlogging.error('%d', 'x')")
_deed("logs/capture_warnings", "logging.captureWarnings(True)\nwarnings.warn('odd')")
_deed(
    "logs/structlog_stdlib",
    "structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger)",
)
_deed(
    "logs/structlog_async", "structlog.configure(wrapper_class=structlog.stdlib.AsyncBoundLogger)"
)
_deed("logs/structlog_raises", "structlog.configure(processors=[lambda *a: 1 / 0])")
_deed("logs/structlog_exits", "structlog.configure(processors=[lambda *a: sys.exit(3)])")
_deed(
    "logs/structlog_drops",
    "structlog.configure(processors=[lambda *a: (_ for _ in ()).throw(structlog.DropEvent)])",
)
_deed("logs/structlog_empty", "structlog.configure(processors=[])")
_deed("logs/structlog_reset", "structlog.reset_defaults()\nstructlog.get_logger().info('odd')")
_deed(
    "logs/structlog_cached",
    "structlog.configure(cache_logger_on_first_use=True, context_class=None)",
)
_deed(
    "logs/structlog_feedback",
    "structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), processors=[structlog.stdlib.render_to_log_kwargs])\nlogging.basicConfig(force=True, level=0)\nstructlog.get_logger().error('odd')",
)
_deed("logs/context", "structlog.contextvars.bind_contextvars(event=1, level=object())")
_deed("logs/flood", "for number in range(500): ctx.log.info('odd', number=number)")
_deed("logs/flood_stdlib", "for number in range(500): logging.getLogger('odd').warning('x' * 500)")

# --- patches ----------------------------------------------------------------------------------

# Patched for a moment in the whole process, as `unittest.mock` and freezegun do.
_SEEN_BY_ALL = (
    ("time.time", "lambda: 0.0"),
    ("time.sleep", "lambda s: 1 / 0"),
    ("time.monotonic", "lambda: 0.0"),
    ("time.perf_counter", "lambda: 0.0"),
    ("json.dumps", "lambda *a, **k: 1 / 0"),
    ("json.loads", "lambda *a, **k: 1 / 0"),
    ("json.JSONEncoder.default", "lambda s, o: 'odd'"),
    ("random.random", "lambda: 2.0"),
    ("os.urandom", "lambda n: b'0' * n"),
    ("uuid.uuid4", "lambda: 1"),
    ("datetime.datetime", "None"),
    ("traceback.format_exception", "lambda *a, **k: 1 / 0"),
    ("linecache.getline", "lambda *a, **k: 1 / 0"),
    ("copy.deepcopy", "lambda *a: 1 / 0"),
    ("builtins.print", "lambda *a, **k: 1 / 0"),
    ("builtins.open", "lambda *a, **k: 1 / 0"),
)
# No loop, thread, HTTP server or queue works without these: only in worker processes.
_SEEN_BY_ITSELF = (
    ("time.time", "lambda: 1 / 0"),
    ("asyncio.sleep", "lambda *a: 1 / 0"),
    ("asyncio.timeout", "None"),
    ("asyncio.current_task", "lambda *a: None"),
    ("asyncio.create_task", "None"),
    ("threading.Thread", "None"),
    ("socket.socketpair", "lambda *a: 1 / 0"),
    ("inspect.iscoroutinefunction", "lambda f: False"),
    ("contextvars.copy_context", "None"),
    ("traceback.TracebackException", "None"),
    ("msgspec.json.encode", "lambda *a: 1 / 0"),
    ("msgspec.msgpack.encode", "lambda *a: 1 / 0"),
    ("os.getpid", "lambda: 1"),
)
for _patches, _forms in ((_SEEN_BY_ALL, EVERYWHERE), (_SEEN_BY_ITSELF, IN_PROCESS)):
    for _target, _value in _patches:
        _patched = f"from unittest import mock\nwith mock.patch('{_target}', {_value}): "
        _deed(f"patches/{_target}={_value}", f"{_patched}pause(0.05)", _forms)
        _deed(
            f"patches/async {_target}={_value}",
            f"{_patched}await pause_async(0.05)",
            _forms & ASYNC,
        )

# --- generators and recursion --------------------------------------------------------------------

_deed("generators/left_open", "g = (n for n in range(9))\nnext(g)")
_deed(
    "generators/close_ignored",
    "def g():\n    while True:\n        try: yield\n        except GeneratorExit: pass\nnext(it := g())\ndel it",
)
_deed(
    "generators/async_left",
    "async def g():\n    try: yield 1\n    finally: await asyncio.sleep(0)\nasync for _ in g(): break",
    ASYNC,
)
_deed(
    "generators/async_raises",
    "async def g():\n    try: yield 1\n    finally: raise ValueError\nasync for _ in g(): break",
    ASYNC,
)
_deed("generators/context_left", "contextlib.contextmanager(lambda: (yield))().__enter__()")
_deed(
    "generators/recursion",
    "def down(): return down()\nwith contextlib.suppress(RecursionError): down()",
)
_deed("generators/deep_free", "deep = None\nfor _ in range(200_000): deep = (deep,)\ndel deep")
_deed("generators/circle", "circle = [ctx]\ncircle.append(circle)")
_deed("generators/memory", "bytearray(64 << 20)")
_deed("generators/attributes", "ctx.task = ctx.channel = None")
_deed(
    "generators/context_kept",
    "sys.modules.setdefault('kept', []) if False else None\nctx.log\nctx.__dict__['log'] = None",
)
