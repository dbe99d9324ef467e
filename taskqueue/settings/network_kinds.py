"""The kinds of setting that say where the service listens, and whom it answers."""

import re
from ipaddress import ip_network

from taskqueue.rules.proxies import HEADERS, NO_PROXIES, UNIX, Proxies
from taskqueue.rules.sockets import UNIX_EXPECTED, socket_path
from taskqueue.settings.kinds import Kind


class HostNames(Kind):
    """Host names, without ports: a list, or `queue.example,tasks.example`."""

    metavar = "HOST,…"
    expected = "host names without ports, separated by commas (queue.example,tasks.example)"

    def parse(self, value: object) -> tuple[str, ...] | None:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return None
        cleaned = tuple(name.strip() for name in names if isinstance(name, str) and name.strip())
        is_fit = all(re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", name) for name in cleaned)
        return cleaned if is_fit and all(isinstance(name, str) for name in names) else None

    def spell(self, value: object) -> str:
        return ",".join(value)  # type: ignore[arg-type]  # it is what `parse` has returned


class UnixURL(Kind):
    """The place of a Unix socket, `unix:///run/taskqueue.sock`, or nothing."""

    metavar = "URL"
    expected = UNIX_EXPECTED

    def parse(self, value: object) -> str | None:
        is_fit = value == "" or socket_path(str(value)) is not None
        return str(value) if is_fit else None


class FileMode(Kind):
    """Permissions of a file, in octal digits: `0660`."""

    metavar = "MODE"
    expected = "three or four octal digits (0660)"

    def parse(self, value: object) -> int | None:
        if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
            return int(value, 8)
        is_mode = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777
        return value if is_mode and isinstance(value, int) else None

    def spell(self, value: object) -> str:
        return f"{value:04o}"


class ProxyHeader(Kind):
    """A forwarding header and the proxies that set it: `x-forwarded-for=127.0.0.1,10.0.0.0/8`."""

    metavar = "HEADER=NETWORK,…"
    expected = (
        f"one of {', '.join(HEADERS)} with the addresses or networks of the proxies, or unix for "
        "the peers of a Unix socket (x-forwarded-for=127.0.0.1,10.0.0.0/8)"
    )

    def parse(self, value: object) -> Proxies | None:
        if isinstance(value, Proxies):
            return value
        if value == "":
            return NO_PROXIES
        header, _, peers = str(value).partition("=")
        named = [peer.strip() for peer in peers.split(",")]
        try:
            networks = tuple(ip_network(peer) for peer in named if peer != UNIX)
        except ValueError:
            return None
        header = header.strip().lower()
        if header not in HEADERS:
            return None
        return Proxies(header=header, networks=networks, unix=UNIX in named)

    def spell(self, value: object) -> str:
        if not isinstance(value, Proxies) or value == NO_PROXIES:
            return ""
        peers = [*map(str, value.networks), *[UNIX] * value.unix]
        return f"{value.header}={','.join(peers)}"
