"""A service that listens: bound before anything is said, so that what is printed can be used."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

import uvicorn

from gradfleet.errors import AccessError, ClusterError, GradfleetError, SettingError
from gradfleet.service import readiness, tokens
from gradfleet.service.app import create_app
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings
from gradfleet.study.storage.store import Store

_TOKEN_SECONDS = 30 * 24 * 3600.0
_ENDS_WITHIN = 5  # seconds; a stream of events would go on for ever


def serve(settings: ServiceSettings, *, say: Callable[[str], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; sweeps that were started go on after that.

    Args:
        say: takes the address and, on a loopback, a new token: everybody on this machine who reads it may do all.

    Raises:
        SettingError: the port is taken, or others could reach the service and there is no token for them.
        AccessError: the cluster asks nobody for a token.
        StoreError: no store can be there.
    """
    app = create_app(settings)
    service: Service = app.state.service
    try:
        _refuse_open_door(service)
        _refuse_open_cluster(service)
        listening = _listen(settings)
    except BaseException:
        service.close()
        raise
    with listening, suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended well
        say(f"gradfleet is at {_address(settings, listening)}, over {service.store.url}")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_ENDS_WITHIN, server_header=False
        )
        with _token(service) if settings.is_loopback else nullcontext() as token:
            if token is not None:
                say(f"token: {token}")
            uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _token(service: Service) -> Iterator[str]:
    """A token of scope admin for whoever has started the service, which ends with it."""
    name = f"serve-{secrets.token_hex(4)}"
    try:
        yield tokens.create(service.store, name, scope="admin", seconds=_TOKEN_SECONDS)
    finally:  # the service has closed its own store
        with suppress(GradfleetError), Store.open(service.settings.store, patience=2.0) as store:
            tokens.revoke(store, name)


def _refuse_open_door(service: Service) -> None:
    if service.settings.is_loopback or any(token.is_valid() for token in tokens.listed(service.store)):
        return
    raise SettingError(
        f"The service would be reached from outside at {service.settings.host}, and no token is there that anybody "
        "could use. Make one with `gradfleet token create NAME --scope admin`, in the same store."
    )


def _refuse_open_cluster(service: Service) -> None:
    """One that is away is looked at again before a sweep is sent."""
    address = service.settings.remote_cluster
    if address is None or service.settings.open_cluster:
        return
    try:
        readiness.refuse_open(address)
    except AccessError:
        raise
    except ClusterError:
        return


def _listen(settings: ServiceSettings) -> socket.socket:
    try:
        (family, kind, protocol, _, place), *_ = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise SettingError(f"host is a name or an address of this machine, got {settings.host!r} ({error}).") from error
    # With its protocol said, asyncio sends what is written at once; else Nagle's algorithm holds it up for 40 ms.
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(place)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise SettingError(
            f"Nothing can listen at {settings.host}, port {settings.port}: {error.strerror}. Pass another --port."
        ) from error
    return listening


def _address(settings: ServiceSettings, listening: socket.socket) -> str:
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{name}:{listening.getsockname()[1]}"
