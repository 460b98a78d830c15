"""A service as seen from outside: the sweeps of a team's store, with the verbs that a study has here."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gradfleet.errors import ClusterError, SettingError
from gradfleet.fleet.addresses import SERVICE, is_service
from gradfleet.fleet.service_errors import error_of
from gradfleet.fleet.service_pictures import sweep_path
from gradfleet.fleet.service_sweep import PAGE, ServiceSweep

TOKEN = "GRADFLEET_TOKEN"
_ANSWERS_WITHIN = 60.0  # seconds
_BINARY = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """A service at `service+http://host:8000`.

    Args:
        token: that of the environment variable GRADFLEET_TOKEN when not given.

    Example:
        >>> service = ServiceClient("service+http://sweeps.example.org:8000")  # doctest: +SKIP
        >>> service.submit(Path("flowers.yaml").read_text()).wait().best.value  # doctest: +SKIP
        0.9911
    """

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not is_service(self.url):
            raise SettingError(f"A service is at an address such as service+http://host:8000, got {self.url!r}.")

    @property
    def address(self) -> str:
        """Of its HTTP API and its pages."""
        return self.url.removeprefix(SERVICE).rstrip("/")

    def sweeps(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """What the service says of each of its sweeps, oldest first."""
        found = self.pages("/v1/sweeps", {} if state is None else {"state": state})
        return found[::-1]

    def sweep(self, name: str) -> ServiceSweep:
        """A sweep by its name.

        Raises:
            NotFoundError: there is none.
        """
        self.get(sweep_path(name))
        return ServiceSweep(self, name)

    def submit(self, spec: str | Mapping[str, Any]) -> ServiceSweep:
        """Have the service run a sweep; the text of a sweep file, or what it says.

        Raises:
            SettingError: it cannot be, or asks for what the service does not allow.
            ConflictError: another sweep has the name.
        """
        if isinstance(spec, str):
            made = self.call("POST", "/v1/sweeps", spec.encode(), kind="application/yaml")
        else:
            made = self.call("POST", "/v1/sweeps", json.dumps(spec).encode())
        return ServiceSweep(self, json.loads(made)["name"])

    def datasets(self) -> list[str]:
        """What a spec may name as `data`."""
        return [str(one["name"]) for one in self.get("/v1/datasets")]

    def upload(self, name: str, file: Path) -> None:
        """Send a file that specs may name as `data` from then on.

        Raises:
            SettingError: it cannot be data, or is too large.
            ConflictError: something has the name.
        """
        with file.open("rb") as content:
            self.call("PUT", f"/v1/datasets/{urllib.parse.quote(name, safe='')}", content, kind=_BINARY)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """A JSON document.

        Raises:
            AccessError: the token is missing, not valid, or not enough.
            NotFoundError: there is no such thing.
            ClusterError: nothing answers there, or it cannot do its work.
        """
        asked = urllib.parse.urlencode(query or {}, doseq=True)
        return json.loads(self.call("GET", f"{path}?{asked}" if asked else path))

    def call(
        self, method: str, path: str, body: bytes | BinaryIO | None = None, *, kind: str = "application/json"
    ) -> bytes:
        """The body of an answer; errors as of `get`, and what the same would raise in a store that is opened here."""
        return self.answer(method, path, body, kind=kind)[0]

    def answer(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None = None,
        *,
        kind: str = "application/json",
        within: float | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """The body of an answer and its headers; errors as of `call`.

        Args:
            within: seconds that the service may say nothing; a minute where nothing is said.
        """
        token = self.token or os.environ.get(TOKEN)
        headers = {"Content-Type": kind} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        if body is not None and not isinstance(body, bytes):
            headers["Content-Length"] = str(os.fstat(body.fileno()).st_size)
        request = urllib.request.Request(self.address + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWERS_WITHIN if within is None else within) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                raise error_of(error.code, error.read(), self.url) from error
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(f"No service answers at {self.url} ({getattr(error, 'reason', error)}).") from error

    def pages(self, path: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All of a list that comes in pages."""
        found, offset = [], 0
        while True:
            page = self.get(path, {**query, "limit": PAGE, "offset": offset})
            found += page["items"]
            if page["next"] is None:
                return found
            offset = page["next"]
