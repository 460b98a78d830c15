"""Download: a URL, and where fetching it may lead and how much may come when somebody else has named it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import fsspec

from gradfleet.errors import DataError

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class Download:
    """A URL whose host is asked for nothing but what is allowed, whatever it answers and its name turns out to mean.

    Attributes:
        url: of a file or folder; what is said below holds for http and https.
        below: beginnings of URLs, such as "https://data.example.org/"; each redirect has one of them too. None is
            anywhere, for a URL that the person at the keyboard has named.
        public: whether every address that is connected to is one of the internet, not of a network of one's own.
        most: bytes that may come; any number when None.
    """

    url: str
    below: tuple[str, ...] | None = None
    public: bool = True
    most: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What the URL's filesystem is made with."""
        if self.below is None or not is_web(self.url):
            return {}
        return {"get_client": self._client, "skip_instance_cache": True}

    def callback(self) -> fsspec.Callback:
        """What the URL's filesystem tells how much has come; it raises DataError when that is too much."""
        return fsspec.Callback() if self.most is None else _Ceiling(self.url, self.most)

    async def _client(self, **settings: Any) -> aiohttp.ClientSession:
        from aiohttp import ClientSession, TCPConnector

        # Happy eyeballs would lose the error of a refused address.
        connector = TCPConnector(happy_eyeballs_delay=None, socket_factory=_public_socket if self.public else None)
        return ClientSession(connector=connector, middlewares=[self._stay_below], **settings)

    async def _stay_below(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Every request passes here, that of a redirect too."""
        from yarl import URL

        below = self.below or ()
        if not is_below(str(request.url), (str(URL(one)) for one in below)):
            raise DataError(
                f"{self.url} leads to {request.url}, which is not allowed. URLs begin with: {', '.join(below)}."
            )
        return await handler(request)


class _Ceiling(fsspec.Callback):  # type: ignore[misc]  # fsspec has no types
    """Counts what comes, and not what a server says of it; all files of a folder together, each a byte more."""

    def __init__(self, url: str, most: int) -> None:
        super().__init__()
        self._url, self._most = url, most

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> _Ceiling:
        return self

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
        if self.value > self._most:
            raise DataError(f"{self._url} is larger than {self._most / 2**20:,.0f} MB, the most that is fetched.")


def is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def is_below(url: str, beginnings: Iterable[str]) -> bool:
    """Whether a URL has one of the beginnings, leads to no folder above it, and is no chain of two, as fsspec has."""
    if "::" in url.partition("://")[2].partition("/")[2] or ".." in unquote(url).replace("\\", "/").split("/"):
        return False
    return any(f"{url}/".startswith(f"{one.rstrip('/')}/") for one in beginnings)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet."""
    return ipaddress.ip_address(address.partition("%")[0]).is_global


def _public_socket(found: tuple[Any, ...]) -> socket.socket:
    """A socket for an address that a name was resolved to, or that a URL has named.

    It is looked at here, where the connection is made: what a name meant a moment ago says nothing.

    Raises:
        DataError: the address is a private one.
    """
    family, kind, protocol, _, (address, *_) = found
    if not is_public(address):
        raise DataError(f"Nothing is fetched from {address}: it is a private address.")
    return socket.socket(family, kind, protocol)
