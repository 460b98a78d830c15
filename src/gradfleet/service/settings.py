"""ServiceSettings: what a service is started with."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gradfleet.data.download import is_web
from gradfleet.errors import SettingError
from gradfleet.fleet.addresses import CLUSTERS, is_dashboard, is_service

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one client may ask for.

    Attributes:
        body: bytes of a request that is no upload.
        upload: bytes of one uploaded file.
        uploads: bytes of all uploaded data sets together.
        fetched: bytes that a sweep's data at a URL may have.
        items: raw items of one prediction.
        requests: a second and token, in the long run.
        burst: requests at once after a pause.
        streams: event streams open at a time.
        exports: models that are exported at a time; each is a process that loads a model.
        predictions: requests that predict at a time, each in a thread.
        asking: requests that ask for a sweep or steer one at a time, each in a thread.
        waiting: requests that wait to predict, and so many that wait to ask; others are refused.
    """

    body: int = 4 * MEGABYTE
    upload: int = 2048 * MEGABYTE
    uploads: int = 20_480 * MEGABYTE
    fetched: int = 20_480 * MEGABYTE
    items: int = 256
    requests: float = 50.0
    burst: int = 200
    streams: int = 200
    exports: int = 2
    predictions: int = 4
    asking: int = 8
    waiting: int = 60

    def __post_init__(self) -> None:
        amounts = asdict(self)
        problems = [f"{name} is more than 0, got {amount}." for name, amount in amounts.items() if not amount > 0]
        if problems:
            raise SettingError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Where the service keeps and finds things, and who may speak to it.

    Attributes:
        store: a SQLite path or a database URL; `gradfleet.db` in the working folder when None.
        artifacts: an fsspec URL for checkpoints and models; beside a SQLite store when None.
        cluster: where sweeps run, as for `fit`; None is a Ray of the store on this machine.
        open_cluster: a cluster that asks nobody for a token will do.
        data: the folder below which specs may name data, and where uploads go.
        urls: beginnings of URLs that specs may name as data, such as "s3://bucket/"; of the internet where it is http.
        private_urls: the same for hosts of one's own network, each with its host.
        recipes: what specs may name as `recipe`: "package.module:function", or "package.*" for all of a package.
        host, port: where it listens; port 0 takes a free one.
        names: what clients may call it, in the header Host, beside loopback's names and `host`.
        sweeps: how many sweeps run side by side on this machine; a cluster elsewhere has all of them at once.

    Raises:
        SettingError: with everything that cannot be.
    """

    store: str | None = None
    artifacts: str | None = None
    cluster: str | None = None
    open_cluster: bool = False
    data: Path = Path("gradfleet-data")
    urls: tuple[str, ...] = ()
    private_urls: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    sweeps: int = 2
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        problems = [f"sweeps is at least 1, got {self.sweeps}."] if self.sweeps < 1 else []
        if not 0 <= self.port <= 65535:
            problems.append(f"port is from 0 to 65535, got {self.port}.")
        if is_service(self.cluster):
            problems.append(f"cluster is where this service runs sweeps, not another service, got {self.cluster!r}.")
        elif self.cluster is not None and self.cluster not in CLUSTERS and not is_dashboard(self.cluster):
            problems.append(
                f"cluster is the address of Ray's dashboard, such as http://head:8265, or {' or '.join(CLUSTERS)}; "
                f"without it a Ray of the store's own is started; got {self.cluster!r}."
            )
        problems += [
            f"A URL prefix has a scheme, such as s3://bucket/, got {url!r}." for url in self.urls if "://" not in url
        ]
        problems += [
            f"A URL prefix of one's own network names its host, such as http://data.intranet/, got {url!r}."
            for url in self.private_urls
            if not is_web(url) or not urlsplit(url).hostname
        ]
        if problems:
            raise SettingError(problems)

    @property
    def remote_cluster(self) -> str | None:
        """The address of a cluster that was there before; None where sweeps run on this machine."""
        return self.cluster if is_dashboard(self.cluster) else None

    @property
    def sends_jobs(self) -> bool:
        """Whether sweeps are jobs of a cluster, be it the store's own one, and no processes of this machine."""
        return self.cluster is None or self.remote_cluster is not None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """What the header Host may say, without the port."""
        own = () if self.is_loopback else (socket.gethostname(), socket.getfqdn())
        return frozenset(name.lower() for name in (*LOOPBACK, self.host, *own, *self.names))
