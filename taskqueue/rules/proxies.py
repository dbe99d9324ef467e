"""Which client a reverse proxy speaks for: pure, from the headers that the proxy sets."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from taskqueue.structs import Struct

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

HEADERS = ("x-forwarded-for", "forwarded", "x-real-ip")
UNIX = "unix"
"""Stands for the peer of a Unix socket, which has no address."""

_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*"?([^";]*)', re.IGNORECASE)


class Proxies(Struct):
    """The proxies whose header is believed."""

    header: str = ""
    """One of `HEADERS`: each of these proxies sets it, or appends its own peer to it."""
    networks: tuple[Network, ...] = ()
    unix: bool = False
    """Whether the peer of a Unix socket is a proxy."""

    def trusts(self, peer: str) -> bool:
        """Return whether the peer of a connection is one of the proxies."""
        if peer == UNIX:
            return self.unix
        address = address_of(peer)
        return address is not None and self._contains(address)

    def client(self, values: Sequence[str]) -> Address | None:
        """Return the client's address: the right-most that is no proxy's; None if it is not given.

        What stands further left comes from the client, which may write there what it wants. So
        elements are split at each comma, whatever quotes the client has opened.

        >>> from ipaddress import ip_network
        >>> proxies = Proxies(header="x-forwarded-for", networks=(ip_network("10.0.0.0/8"),))
        >>> str(proxies.client(["127.0.0.1, 203.0.113.5, 10.0.0.2"]))
        '203.0.113.5'
        >>> proxies.client(["203.0.113.5, unknown"]) is None
        True
        """
        address = None
        for element in reversed(",".join(values).split(",")):
            address = address_of(self._named_in(element))
            if address is None or not self._contains(address):
                return address
        return address

    def _named_in(self, element: str) -> str:
        if self.header != "forwarded":
            return element
        found = _FOR.search(element)
        return found[1] if found else ""

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


NO_PROXIES = Proxies()


def address_of(text: str) -> Address | None:
    """Return the address in a text, which may have a port; None if there is none.

    >>> [str(address_of(text)) for text in ("10.0.0.1:80", "[::1]:80", "::ffff:10.0.0.1", "_x")]
    ['10.0.0.1', '::1', '10.0.0.1', 'None']
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
