"""The settings: each with its kind, its help text and its default."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.proxies import NO_PROXIES, Proxies
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.retention import Retention
from taskqueue.rules.schedules.values import Declared
from taskqueue.settings.kinds import (
    DAY_S,
    AutoInteger,
    Choice,
    Counts,
    DatabaseURL,
    Duration,
    Integer,
    Kind,
    Number,
    Switch,
    Text,
)
from taskqueue.settings.network_kinds import FileMode, HostNames, ProxyHeader, UnixURL
from taskqueue.settings.origins import Origin
from taskqueue.settings.schedule_kind import Schedules
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import DEFAULT
from taskqueue.structs import Struct

LogFormat: TypeAlias = Literal["auto", "json", "console"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

_HOST = Text(r"[A-Za-z0-9._:%-]+", "an IP address or a host name", "HOST")
_NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_APP = Text(rf"({_NAME}:{_NAME})?", "package.module:app, or nothing for the demo app", "MODULE:APP")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator decides. Durations (`_s`) are in seconds.

    `load` checks every value, and notes in `origins` by key where it comes from. The constructor
    checks nothing.
    """

    host: Annotated[str, _HOST, "Address to listen on."] = "127.0.0.1"
    port: Annotated[int, Integer(0, 65535), "TCP port to listen on; 0 picks a free one."] = 8080
    listen: Annotated[str, UnixURL(), "Unix socket to listen on instead of host and port."] = ""
    socket_mode: Annotated[int, FileMode(), "Permissions of that socket's file."] = 0o600
    allow_remote: Annotated[bool, Switch(), "Allow a host that other machines can reach."] = False
    trusted_hosts: Annotated[
        tuple[str, ...],
        HostNames(),
        "Host names, besides localhost, under which clients may address the service.",
    ] = ()
    behind_proxy: Annotated[
        Proxies,
        ProxyHeader(),
        "Header with the address of the client, and the proxies that set it.",
    ] = NO_PROXIES
    max_connections: Annotated[
        int,
        Integer(1, 1_000_000),
        "Maximum number of open HTTP connections, within the limit of file descriptors.",
    ] = 2_000

    database: Annotated[
        Database,
        DatabaseURL(),
        "Where tasks are stored: a SQLite file, or memory: to lose them at the exit.",
    ] = DEFAULT

    app: Annotated[str, _APP, "App with the handlers (package.module:app)."] = ""
    demo_work_s: Annotated[float, Duration(), "Time the demo app pretends to work."] = 0.1

    consumers: Annotated[int, Integer(0, 1024), "Number of consumers; 0 runs no tasks."] = 2
    queues: Annotated[
        Mapping[str, int],
        Counts("queues", 1, 1024),
        "Dedicated consumers for these queues; the other queues share --consumers.",
    ] = {}
    slots: Annotated[
        int | Literal["auto"],
        AutoInteger(1, 1024),
        "Handlers that one consumer runs concurrently; auto: 32 on the loop, fewer elsewhere.",
    ] = "auto"
    prefetch: Annotated[
        int,
        Integer(0, 10_000),
        "Tasks to claim ahead of free slots; up to 512 for tasks shorter than a claim.",
    ] = 5
    timeout_s: Annotated[
        float,
        Duration(),
        "Time limit of an attempt, unless its action has its own; not in threads; 0: none.",
    ] = 0.0
    drain_s: Annotated[float, Duration(), "Time for running handlers to finish at a stop."] = 30.0
    max_result_bytes: Annotated[
        int, Integer(1, 64 << 20), "Maximum size of a result as JSON; larger ones are refused."
    ] = MAX_BYTES
    lease_s: Annotated[
        float, Duration(0.1, DAY_S), "Time after which the tasks of a silent machine are rescued."
    ] = 30.0
    retry: RetryPolicy = RetryPolicy()
    retention: Retention = Retention()
    process: ProcessPolicy = ProcessPolicy()
    schedules: Annotated[
        tuple[Declared, ...],
        Schedules(),
        "Schedules, beside those in code: the tables [[schedules]].",
    ] = ()

    log_format: Annotated[
        LogFormat, Choice(get_args(LogFormat)), "Format of the log; auto: console on a terminal."
    ] = "auto"
    log_level: Annotated[LogLevel, Choice(get_args(LogLevel)), "Minimum log level."] = "info"

    origins: Mapping[str, Origin] = {}


# The rules do not know how they are configured, so the kinds of their fields are listed here.
TABLES: Mapping[type[Struct], Mapping[str, tuple[Kind, str]]] = {
    RetryPolicy: {
        "initial_s": (Duration(), "Delay before the second attempt."),
        "factor": (Number(1, 100), "Factor by which the delay grows with each attempt."),
        "max_s": (Duration(), "Longest delay between two attempts."),
        "jitter": (Number(0, 1), "Maximum random addition, as a fraction of the delay."),
        "max_crashes": (Integer(1, 1000), "Crashes after which a task is dead-lettered."),
        "max_deliveries": (
            Integer(1, 1000),
            "Deliveries that a task may have without ever starting.",
        ),
    },
    Retention: {
        "completed_s": (Duration(), "How long to keep completed tasks; 0: forever."),
        "cancelled_s": (Duration(), "How long to keep cancelled tasks; 0: forever."),
        "dead_s": (Duration(), "How long to keep dead tasks; 0: forever."),
        "audit_s": (
            Duration(),
            "How long to keep the latest changes in the audit trail; 0: forever.",
        ),
        "slots_s": (
            Duration(),
            "How long to keep what became of the slots of schedules; 0: forever.",
        ),
    },
    ProcessPolicy: {
        "max_tasks": (
            Integer(0, 10**9),
            "Tasks after which a worker process is replaced; 0: never.",
        ),
        "max_memory_mb": (
            Integer(0, 10**9),
            "Memory (MiB) above which a worker process is replaced; 0: never.",
        ),
        "start_s": (Duration(0.1, DAY_S), "Time limit for the start of a worker process."),
    },
}
