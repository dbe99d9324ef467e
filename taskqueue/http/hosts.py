"""Host names: what a `Host` header names, and whether it always means this machine."""

from ipaddress import IPv6Address, ip_address


def name_of(host: str) -> str:
    """Return the name or address in a `Host`, in lower case, without port, brackets and final dot.

    >>> name_of("LOCALHOST.:8080"), name_of("[::1]:8080"), name_of("10.0.0.1")
    ('localhost', '::1', '10.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def is_address(name: str) -> bool:
    """Tell whether a name is an IP address.

    >>> is_address("10.0.0.1"), is_address("::1"), is_address("localhost")
    (True, True, False)
    """
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Tell whether a name or an address always means this machine.

    >>> is_loopback("127.1.2.3"), is_loopback("::1"), is_loopback("::ffff:127.0.0.1")
    (True, True, True)
    >>> is_loopback("LocalHost."), is_loopback("localhost.example.org"), is_loopback("0.0.0.0")
    (True, False, False)
    """
    name = name.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
