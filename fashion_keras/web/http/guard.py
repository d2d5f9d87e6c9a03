"""Checks that every request passes before a route sees it, and the headers that every response carries."""

import hashlib
import ipaddress
import json
import logging
import time
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from secrets import compare_digest
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_keras.web.http.metrics import Metrics

log = logging.getLogger("fashion_keras")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}
_COOKIE = "fashion_keras_token"
_OPEN_PATHS = ("/healthz",)
_METHODS = ("GET", "HEAD", "POST")
_INTERNAL = "internal error; the server's log has the cause"


class Guard:
    """ASGI middleware: host, token and origin checks, security headers, 500 without a trace, and counts of requests."""

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None, hosts: Collection[str]) -> None:
        """Take the names beside localhost and addresses that a Host header may have, and the token, if any."""
        self._app, self._metrics = app, metrics
        self._token, self._hosts = token, {name.lower() for name in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or reply to it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                # The page's files are asked for again each time, and sent when they have changed.
                headers.setdefault("cache-control", "no-cache" if _is_static(scope) else "no-store")
            await send(message)

        try:
            if refusal := self._refusal(scope):
                await _reply(send_guarded, *refusal)
            elif cookie := self._new_cookie(scope):
                await _redirect(send_guarded, cookie)
            else:
                await self._app(scope, receive, send_guarded)
        except Exception:
            log.exception("%s %s failed", scope["method"], _route(scope))
            if not status:
                await _reply(send_guarded, 500, _INTERNAL)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.count_request(method, _route(scope), status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_known(host):
            return 400, "unknown Host header; name the server's address with --allowed-host"
        if scope["method"] not in ("GET", "HEAD") and not _is_same_origin(headers, host):
            return 403, "a request from another site is refused"
        if self._token and scope["path"] not in _OPEN_PATHS and not self._has_token(scope, headers):
            return 401, "this server needs a token: open /?token=... once, or send Authorization: Bearer ..."
        return None

    def _is_known(self, host: str) -> bool:
        """Return whether a Host header is an address, localhost or a name of ours: no site's own name leads here."""
        name = _host_name(host)
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name == "localhost" or name in self._hosts
        return True

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(bearer.strip(), self._token):
            return True
        return _equal(_read_cookie(headers), _cookie_value(self._token)) or self._in_address(scope)

    def _in_address(self, scope: Scope) -> bool:
        values = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return scope["path"] == "/" and len(values) == 1 and _equal(values[0], self._token)

    def _new_cookie(self, scope: Scope) -> str | None:
        """Return the cookie for a browser that has opened /?token=..."""
        if not self._token or not self._in_address(scope):
            return None
        return f"{_COOKIE}={_cookie_value(self._token)}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"


def _host_name(host: str) -> str:
    """Return the name in a Host header, lower case, without the port."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() else host).lower()


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Return whether a page of this server sends a request, or a program that is no browser."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == host.lower()


def _cookie_value(token: str) -> str:
    """Return what a browser keeps instead of the token itself."""
    return hashlib.sha256(f"fashion_keras cookie {token}".encode()).hexdigest()


def _read_cookie(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _equal(given: str, expected: str) -> bool:
    return compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _route(scope: Scope) -> str:
    """Return the template of the route that a request took; "other" for none."""
    route = scope.get("route")
    return getattr(route, "path", None) or ("/static" if _is_static(scope) else "other")


def _is_static(scope: Scope) -> bool:
    return scope["path"].startswith("/static/")


async def _reply(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _redirect(send: Send, cookie: str) -> None:
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
