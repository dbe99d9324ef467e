"""Who may do what, as long as nobody has to show a key: people at this machine, not web pages.

A page of any site may send requests to this machine. It cannot hide its `Origin`, and after it has
made its own name point here (DNS rebinding) that name is in `Host`.
"""

from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

from aiohttp import hdrs, web

from taskqueue.http.problems import Problem


def require_own_origin(request: web.Request) -> None:
    """Refuse what a page of another site sends.

    Raises:
        Problem: 403; there is an `Origin`, and it is not the `Host` that was asked.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.lower() != f"http://{request.headers.get('Host')}".lower():
        raise _forbidden("Pages of other sites may not do this.")


def require_local(request: web.Request, bound_to: str) -> None:
    """Refuse everybody who is not on this machine, and everything if others could be.

    Args:
        request: what is to be done.
        bound_to: the address on which the server listens.

    Raises:
        Problem: 403; the server, the peer or the `Host` is no loopback address.
    """
    if not is_loopback(bound_to):
        raise _forbidden(
            f"This is possible only when the server listens on a loopback address, "
            f"and it listens on {bound_to}."
        )
    if not is_loopback(request.remote or ""):
        raise _forbidden("Only this machine may do this.")
    if not is_loopback(_without_port(request.headers.get("Host", ""))):
        raise _forbidden("Host must be a loopback name, such as localhost.")


def require_json(request: web.Request) -> None:
    """Refuse a body of another type: a page could send it without asking first.

    Raises:
        Problem: 415.
    """
    if request.content_type != "application/json":
        detail = "Content-Type must be application/json."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported media type", detail)


def require_administrator(request: web.Request, bound_to: str) -> None:
    """Refuse a request to change the service itself, unless somebody at this machine made it.

    Raises:
        Problem: 403, as `require_local` and `require_own_origin` say; 415, it is not JSON.
    """
    require_local(request, bound_to)
    require_own_origin(request)
    require_json(request)


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address always means this machine.

    >>> is_loopback("127.1.2.3"), is_loopback("::1"), is_loopback("::ffff:127.0.0.1")
    (True, True, True)
    >>> is_loopback("LocalHost"), is_loopback("localhost.example.org"), is_loopback("0.0.0.0")
    (True, False, False)
    """
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _forbidden(detail: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", detail)
