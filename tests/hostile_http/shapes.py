"""Hostile requests as bytes: made at random from what has broken servers before, then damaged."""

import json
from random import Random

SECRET = "hunter2-never-to-be-logged"

_METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"G\0T"]
_TARGETS = [
    *(b"/tasks", b"/tasks?limit=1", b"/tasks?limit=-1&limit=2", b"/tasks?fields=id", b"/stats"),
    *(b"/tasks/0197a4c8-0000-7000-8000-000000000000", b"/tasks/%ff%00/cancel", b"/queues"),
    *(b"/health", b"/ready", b"/supervision?format=text", b"//", b"/../..", b"*", b"?", b"/%"),
    *(b"http://localhost/tasks", b"http://evil.example/tasks", b"http://[::1", b"localhost:80"),
    *(b"/queues/\xff/pause", b"/dead/delete", b"/supervision/kill", b"/" + b"a" * 9000),
]
_VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b""]
_HEADERS = [
    *(b"Host: localhost", b"Host: evil.example", b"Host:", b"Host: [::1", b"Host: \xff"),
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 5, 6", b"Content-Length: 1e3"),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: 0", b"Content-Length:\t7"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x"),
    *(b"Transfer-Encoding : chunked", b"transfer-encoding:\x0bchunked", b"Content-Encoding: gzip"),
    *(b"Content-Encoding: deflate", b"Content-Encoding: br", b"Expect: 100-continue"),
    *(b"Expect: \xff", b"Expect: 7", b"Connection: close", b"Connection: upgrade"),
    *(b"Upgrade: websocket", b"Upgrade: h2c", b"Upgrade: \xff", b"Sec-WebSocket-Key1: 1"),
    *(b"Origin: null", b"Origin: http://evil.example", b"Origin: \xff", b"Sec-Fetch-Site: x"),
    *(b"Idempotency-Key: 7", b'Idempotency-Key: "', b"Idempotency-Key: \xff", b"Accept: text/html"),
    *(b"Content-Type: application/json", b"Content-Type: \xff", b"Content-Type: text/plain"),
    *(b"Content-Type: multipart/form-data; boundary=x", b"X-Forwarded-For: \xff", b"Via: 1.1 x"),
    *(b" folded: header", b"no colon", b": no name", b"Bad\0Name: x", b"Long: " + b"x" * 9000),
    *(b"Range: bytes=0-", b"If-None-Match: *", b"TE: trailers", b"Trailer: x", b"Keep-Alive: x"),
]
_CHUNKS = [
    *(b'5\r\n{"a":\r\n', b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"5;x=" + b"y" * 99),
    *(b"\r\n", b"g\r\n", b"1\r\n{\r\n" * 50, b"0\r\nTrailer: x\r\n\r\n", b"0x5\r\nhello\r\n"),
]
_VALUES = [
    *("null", "1e999", "-0", "1" * 400, '"\\ud800"', '"\\u0000"', "[]", "{}", "true", "0.1"),
    *('"' + "x" * 5000 + '"', "[[[[[]]]]]", '{"a":{"a":{}}}', '"uppercase"', "NaN", "'", "\xff"),
]
_FIELDS = ["action", "data", "priority", "queue", "delay_s", "run_at", "unique_key", "max_attempts"]
_MORE_FIELDS = ["reason", "ids", "all", "path", "count", "text", "x", "\u2028"]


def shape(random: Random) -> bytes:
    """Return some bytes that claim to be one request or two."""
    made = b"".join(_request(random) for _ in range(random.choice((1, 1, 1, 2))))
    return _damaged(random, made) if random.random() < 0.3 else made


def _request(random: Random) -> bytes:
    body = _body(random)
    headers = [b"Host: localhost"] if random.random() < 0.9 else []
    headers += [b"Authorization: Bearer " + SECRET.encode(), b"Cookie: key=" + SECRET.encode()]
    headers += random.choices(_HEADERS, k=random.choice((0, 1, 1, 2, 3)))
    if random.random() < 0.6:
        headers.append(b"Content-Length: %d" % len(body))
    elif random.random() < 0.5:
        headers.append(b"Transfer-Encoding: chunked")
        body = b"".join(random.choices(_CHUNKS, k=3)) + b"0\r\n\r\n"
    method = random.choice((b"POST", b"GET", random.choice(_METHODS)))
    target = random.choice((b"/tasks", random.choice(_TARGETS)))
    line = b" ".join((method, target, random.choice(_VERSIONS)))
    return b"\r\n".join((line, *headers, b"", body))


def _body(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.5:
        return _object(random).encode("latin-1", "replace")
    if kind < 0.7:
        items = ",".join(_object(random) for _ in range(random.randrange(5)))
        return f"[{items}]".encode("latin-1", "replace")
    if kind < 0.8:
        depth = random.choice((10, 500, 850, 900, 968, 970, 1000, 20_000))
        nested = b"[" * depth + b"]" * depth
        return random.choice((nested, b'{"action":"uppercase","data":{"text":%b}}' % nested))
    return random.randbytes(random.choice((0, 1, 100, 5000)))


def _object(random: Random) -> str:
    names = random.choices(_FIELDS, k=random.randrange(5)) + random.choices(_MORE_FIELDS, k=1)
    pairs = [f"{json.dumps(name)}:{random.choice(_VALUES)}" for name in names]
    if random.random() < 0.7:
        pairs.insert(0, '"action":"uppercase"')
    return "{" + ",".join(pairs) + "}"


def _damaged(random: Random, made: bytes) -> bytes:
    at, until = sorted(random.randrange(len(made) + 1) for _ in range(2))
    match random.randrange(4):
        case 0:
            return made[:at]
        case 1:
            return made[:at] + made[min(until, at + 20) :]
        case 2:
            return made[:at] + random.randbytes(random.randrange(1, 9)) + made[at:]
        case _:
            return made[:at] + made[at : at + 40] * 3 + made[at:]
