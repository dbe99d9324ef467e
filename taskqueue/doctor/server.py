"""The rules for a database on a server, and for the way to it. Pure: facts in, findings out."""

from collections.abc import Iterator

from taskqueue.doctor.findings import Finding, ok, problem, warning
from taskqueue.doctor.schema import finding_of_schema
from taskqueue.errors import StorageError
from taskqueue.storage.examination import Contents, Route, Server, ServerExamination

NODE_CONNECTIONS = 8
"""What a node uses, and one more: of its two readers, its writer, its notices and its handlers."""

LONG_S = 60.0
"""A transaction that is open for longer holds up others sooner or later."""

SKEW_S = 1.0

_POLLED = "there are no notices, so what other nodes do is noticed within half a second"


def findings_of_server(found: ServerExamination) -> Iterator[Finding]:
    """Judge a database on a server."""
    if isinstance(found.server, StorageError):
        yield problem(
            "server",
            str(found.server),
            "start the server, or correct the URL of --database: its host, user and options",
        )
        return
    server = found.server
    yield _server(found.name, server)
    yield _route(found, server.route)
    if found.direct_fault is not None:
        yield problem("route", found.direct_fault, "correct --database-direct, or leave it out")
    yield _connections(server)
    yield _transactions(server)
    yield _clock(server.ahead_s)
    yield _contents(server.contents)


def _server(name: str, server: Server) -> Finding:
    if server.is_read_only:
        return problem(
            "server",
            f"{name} is read-only: a standby, or set so",
            "give the URL of the primary, or several hosts with target_session_attrs=read-write",
        )
    if not server.syncs:
        return problem(
            "server",
            f"{name} does not wait for its disk (fsync = off): accepted tasks may be lost with the "
            "power",
            "set fsync = on in postgresql.conf",
        )
    return ok("server", f"PostgreSQL {server.version} answers, and can be written")


def _route(found: ServerExamination, route: Route) -> Finding:
    match route:
        case Route.DIRECT if found.says_pooler:
            return warning(
                "route",
                f"the server is reached directly, but the URL says pooler=true: {_POLLED}",
                "leave pooler=true out",
            )
        case Route.DIRECT:
            return ok("route", "the server is reached directly: notices wake the other nodes")
        case Route.SESSION:
            return ok(
                "route",
                "a pooler in session mode stands between: all works as without it, and each "
                f"connection of a node (up to {NODE_CONNECTIONS - 1}) takes a session of its own",
            )
        case Route.TRANSACTION if found.says_pooler is False:
            return problem(
                "route",
                "a pooler in transaction mode stands between, but the URL says pooler=false",
                "leave pooler=false out",
            )
        case Route.TRANSACTION if found.direct is not None:
            return ok(
                "route",
                "a pooler in transaction mode stands between: notices and migrations go to "
                f"{found.direct}",
            )
        case Route.TRANSACTION:
            return warning(
                "route",
                f"a pooler in transaction mode stands between: {_POLLED}, and `taskqueue copy` "
                "does not notice that a service runs",
                "give the URL of the server itself with --database-direct",
            )


def _connections(server: Server) -> Finding:
    used = f"{server.connections} of {server.max_connections} connections are in use"
    if server.max_connections - server.connections >= NODE_CONNECTIONS:
        return ok("connections", used)
    return warning(
        "connections",
        f"{used}, and a node takes up to {NODE_CONNECTIONS}",
        "raise max_connections in postgresql.conf, or put a pooler between",
    )


def _transactions(server: Server) -> Finding:
    oldest = server.oldest
    if oldest is None or oldest.open_s < LONG_S:
        return ok("transactions", "none has been open for long")
    return warning(
        "transactions",
        f"process {oldest.pid} ({oldest.program or 'without a name'}) has had a transaction open "
        f"for {oldest.open_s:.0f} s: it may hold rows that commits wait for, and keeps the space "
        "of ended tasks from being used again",
        f"end it (SELECT pg_terminate_backend({oldest.pid}))",
    )


def _clock(ahead_s: float) -> Finding:
    if abs(ahead_s) <= SKEW_S:
        return ok("clock", "the clocks of the server and of this machine agree")
    way = "ahead of" if ahead_s > 0.0 else "behind"
    return warning(
        "clock",
        f"the clock of the server is {abs(ahead_s):.0f} s {way} that of this machine; all nodes go "
        "by that of the server",
        "set the one that is wrong (timedatectl, chronyc makestep)",
    )


def _contents(contents: Contents | StorageError) -> Finding:
    if isinstance(contents, StorageError):
        return problem("database", str(contents), "choose another database with --database")
    return finding_of_schema(contents, backup="pg_dump --schema=taskqueue")
