"""Which client a proxy speaks for."""

from ipaddress import ip_network

import pytest

from taskqueue.rules.proxies import NO_PROXIES, UNIX, Proxies

NETWORKS = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("header", "values", "client"),
    [
        ("x-forwarded-for", ["203.0.113.5"], "203.0.113.5"),
        ("x-forwarded-for", ["203.0.113.5:4711"], "203.0.113.5"),
        ("x-forwarded-for", ["127.0.0.1, 203.0.113.5"], "203.0.113.5"),
        ("x-forwarded-for", ["198.51.100.1, 203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        ("x-forwarded-for", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("x-forwarded-for", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("x-forwarded-for", ["2001:db8::7"], "2001:db8::7"),
        ("x-forwarded-for", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("x-forwarded-for", ["203.0.113.5, garbage"], None),
        ("x-forwarded-for", [""], None),
        ("x-real-ip", ["203.0.113.5"], "203.0.113.5"),
        ("forwarded", ["for=203.0.113.5;proto=https"], "203.0.113.5"),
        ("forwarded", ['proto=https; For="[2001:db8::7]:4711"'], "2001:db8::7"),
        ("forwarded", ["for=198.51.100.1, for=203.0.113.5;by=10.0.0.1"], "203.0.113.5"),
        ("forwarded", ['for="198.51.100.1, for=203.0.113.5'], "203.0.113.5"),
        ("forwarded", ["for=_hidden"], None),
        ("forwarded", ["proto=https"], None),
        ("forwarded", ["for=203.0.113.5;xfor=127.0.0.1"], "203.0.113.5"),
    ],
)
def test_the_client_is_the_right_most_address_that_is_no_proxys(
    header: str, values: list[str], client: str | None
) -> None:
    found = Proxies(header=header, networks=NETWORKS).client(values)

    assert (None if found is None else str(found)) == client


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:10.9.9.9", "fd00::1"])
def test_peers_in_the_networks_are_proxies(peer: str) -> None:
    assert Proxies(header="forwarded", networks=NETWORKS).trusts(peer)
    assert not NO_PROXIES.trusts(peer)


@pytest.mark.parametrize("peer", ["127.0.0.2", "203.0.113.5", "unknown", UNIX])
def test_other_peers_are_not(peer: str) -> None:
    assert not Proxies(header="forwarded", networks=NETWORKS).trusts(peer)


def test_the_peer_of_a_unix_socket_is_a_proxy_if_that_is_said() -> None:
    assert Proxies(header="forwarded", unix=True).trusts(UNIX)
