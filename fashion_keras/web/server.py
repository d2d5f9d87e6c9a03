"""Server process: an application on a socket until Ctrl-C."""

import logging
import socket

import uvicorn
from fastapi import FastAPI

from fashion_keras.support.errors import InputError
from fashion_keras.web.app import create_app
from fashion_keras.web.config import ServeConfig

# Connections at most; the next ones get status 503.
_CONNECTIONS = 512
_SHUTDOWN = 5  # seconds that requests have to end


class _Server(uvicorn.Server):
    """Server that prints its address when it replies."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the address."""
        await super().startup(sockets)
        print(f"serving on {self._url} (Ctrl-C ends it)", flush=True)


def serve(config: ServeConfig) -> None:
    """Serve until interrupted.

    Raises:
        InputError: for a port or address that cannot be had, and as `create_app`.
        KeyboardInterrupt: at Ctrl-C, after the requests under way have ended.
    """
    listener = _listen(config)
    with listener:
        app = create_app(config)
        _Server(uvicorn_config(app), _url(config, listener.getsockname()[1])).run([listener])


def uvicorn_config(app: FastAPI) -> uvicorn.Config:
    """Return the settings of uvicorn: it logs no addresses, which may hold a token, and trusts no proxy's headers."""
    # It logs bytes of damaged forms.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app, log_level=logging.WARNING, access_log=False, server_header=False, proxy_headers=False, ws="none",
        limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=_SHUTDOWN,
    )  # fmt: skip


def _listen(config: ServeConfig) -> socket.socket:
    """Return a socket on the address, before anything that takes long; InputError where it cannot be had."""
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((config.host, config.port), family=family, backlog=_CONNECTIONS)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{config.host}:{config.port}: {reason}; give another --port or --host") from None


def _url(config: ServeConfig, port: int) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{port}/{'?token=...' if config.token else ''}"
