"""`taskqueue nodes`: list the services that share a database, drain and resume them."""

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client.node_views import NodeInfo

_COLUMNS = ("node", "state", "running", "slots", "heartbeat", "version", "address")


def command() -> click.Command:
    """Return the command."""
    names = click.Argument(["names"], nargs=-1, required=True, metavar="NODE...")
    return click.Group(
        "nodes",
        help="List, drain and resume the services that share a database.",
        commands=[
            ServiceCommand(
                "list",
                _list,
                help="List the nodes: how many tasks run in how many slots, and how long ago each "
                "was heard of. One that is silent has died, is frozen, or cannot reach the "
                "database.",
            ),
            ServiceCommand(
                "drain",
                _drain,
                params=[names],
                help="Let nodes claim nothing and finish their tasks, until they are resumed or "
                "restarted.",
            ),
            ServiceCommand("resume", _resume, params=[names], help="Let nodes claim tasks again."),
        ],
    )


def _list(connection: Connection, *, as_json: bool) -> None:
    with connection.client() as client:
        nodes = client.nodes()
    if as_json:
        return output.print_json(nodes)
    return output.print_table(
        _COLUMNS, [_row(each) for each in nodes], flexible=("node", "address")
    )


def _row(node: NodeInfo) -> tuple[str, ...]:
    return (
        node.name,
        str(node.state),
        str(node.running),
        str(node.slots),
        f"{output.age(node.age_s)} ago",
        node.version,
        node.address or "-",
    )


def _drain(connection: Connection, *, as_json: bool, names: tuple[str, ...]) -> None:
    _set(connection, names, draining=True, as_json=as_json)


def _resume(connection: Connection, *, as_json: bool, names: tuple[str, ...]) -> None:
    _set(connection, names, draining=False, as_json=as_json)


def _set(connection: Connection, names: tuple[str, ...], *, draining: bool, as_json: bool) -> None:
    with connection.client() as client:
        for name in names:
            (client.drain_node if draining else client.resume_node)(name)
            if not as_json:
                click.echo(f"{'draining' if draining else 'resumed'} {name}")
    if as_json:
        output.print_json([{"node": name, "draining": draining} for name in names])
