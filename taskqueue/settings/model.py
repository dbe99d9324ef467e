"""The settings: one line each, with its kind, its duty and its default."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.proxies import NO_PROXIES, Proxies
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.retention import Retention
from taskqueue.settings.kinds import (
    DAY_S,
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

    `load` is the way to make one that has been checked; made directly, it is taken at its word.
    """

    host: Annotated[str, _HOST, "Address to listen on."] = "127.0.0.1"
    port: Annotated[int, Integer(0, 65535), "TCP port to listen on; 0 picks a free one."] = 8080
    listen: Annotated[str, UnixURL(), "Unix socket to listen on in the place of host and port."] = (
        ""
    )
    socket_mode: Annotated[int, FileMode(), "Permissions of that socket's file."] = 0o600
    allow_remote: Annotated[bool, Switch(), "Accept a host that other machines can reach."] = False
    trusted_hosts: Annotated[
        tuple[str, ...],
        HostNames(),
        "Names beside localhost under which clients may address the service.",
    ] = ()
    behind_proxy: Annotated[
        Proxies,
        ProxyHeader(),
        "Header that names the client, and the peers from which it is believed.",
    ] = NO_PROXIES
    max_connections: Annotated[
        int,
        Integer(1, 1_000_000),
        "HTTP connections open at once, as far as the limit of descriptors allows.",
    ] = 2_000

    database: Annotated[
        Database,
        DatabaseURL(),
        "Where the tasks are: an SQLite file, or memory: to keep them only while it runs.",
    ] = DEFAULT

    app: Annotated[str, _APP, "App whose handlers run (package.module:app)."] = ""
    demo_work_s: Annotated[float, Duration(), "Time the demo app pretends to work."] = 0.1

    consumers: Annotated[int, Integer(0, 1024), "Consumers to start; 0 only accepts."] = 2
    queues: Annotated[
        Mapping[str, int],
        Counts("queues", 1, 1024),
        "Consumers of their own for some queues; the others share --consumers.",
    ] = {}
    slots: Annotated[int, Integer(1, 1024), "Handlers that run at once in one consumer."] = 1
    prefetch: Annotated[
        int,
        Integer(0, 10_000),
        "Tasks claimed ahead of a free slot; up to 512 where they are shorter than a claim.",
    ] = 5
    drain_s: Annotated[float, Duration(), "Time that running handlers get when stopping."] = 30.0
    max_result_bytes: Annotated[
        int, Integer(1, 64 << 20), "Largest result, as JSON; a larger one is refused."
    ] = MAX_BYTES
    lease_s: Annotated[
        float, Duration(0.1, DAY_S), "Time after which a silent machine's tasks are rescued."
    ] = 30.0
    retry: RetryPolicy = RetryPolicy()
    retention: Retention = Retention()
    process: ProcessPolicy = ProcessPolicy()

    log_format: Annotated[
        LogFormat, Choice(get_args(LogFormat)), "Form of the log; auto: console on a terminal."
    ] = "auto"
    log_level: Annotated[LogLevel, Choice(get_args(LogLevel)), "Minimum log level."] = "info"


# The rules know nothing of how they are configured, so the kinds of their fields stand here.
TABLES: Mapping[type[Struct], Mapping[str, tuple[Kind, str]]] = {
    RetryPolicy: {
        "initial_s": (Duration(), "Wait before the second attempt."),
        "factor": (Number(1, 100), "Growth of that wait from attempt to attempt."),
        "max_s": (Duration(), "Longest wait between two attempts."),
        "jitter": (Number(0, 1), "Share of the wait that is added at random, at most."),
        "max_crashes": (Integer(1, 1000), "Crashes after which a task is dead-lettered."),
        "max_deliveries": (
            Integer(1, 1000),
            "Deliveries that a task may have without ever starting.",
        ),
    },
    Retention: {
        "completed_s": (Duration(), "Time that completed tasks are kept; 0 is for ever."),
        "cancelled_s": (Duration(), "Time that cancelled tasks are kept; 0 is for ever."),
        "dead_s": (Duration(), "Time that dead tasks are kept; 0 is for ever."),
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
        "start_s": (Duration(0.1, DAY_S), "Time that a worker process may take to start."),
    },
}
