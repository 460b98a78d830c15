"""A service as seen from outside: the sweeps of a team's store, with the verbs that a study has here."""

from __future__ import annotations

import http.client
import json
import math
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradfleet.errors import AccessError, ClusterError, ConflictError, GradfleetError, NotFoundError, SettingError
from gradfleet.study.storage.rows import ENDED

if TYPE_CHECKING:
    import pandas

PREFIX = "service+"
TOKEN = "GRADFLEET_TOKEN"
_ANSWERS_WITHIN = 60.0  # seconds
_LOOK_EVERY = 1.0  # seconds
_PAGE = 500


def is_service(url: object) -> bool:
    """Whether a cluster or a store is a service: `service+http://host:8000`."""
    return isinstance(url, str) and url.startswith((f"{PREFIX}http://", f"{PREFIX}https://"))


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """A service at `service+http://host:8000`.

    Args:
        token: that of the environment variable GRADFLEET_TOKEN when not given.

    Example:
        >>> service = ServiceClient("service+http://sweeps.example.org:8000")  # doctest: +SKIP
        >>> service.submit(Path("flowers.yaml").read_text()).wait().best["value"]  # doctest: +SKIP
        0.9911
    """

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not is_service(self.url):
            raise SettingError(f"A service is at an address such as service+http://host:8000, got {self.url!r}.")

    def sweeps(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """What the service says of each of its sweeps, oldest first."""
        found = self._pages("/v1/sweeps", {} if state is None else {"state": state})
        return found[::-1]

    def sweep(self, name: str) -> ServiceSweep:
        """A sweep by its name.

        Raises:
            NotFoundError: there is none.
        """
        self.get(_path(name))
        return ServiceSweep(self, name)

    def submit(self, spec: str) -> ServiceSweep:
        """Have the service run a sweep; the text is that of a sweep file.

        Raises:
            SettingError: it cannot be, or asks for what the service does not allow.
            ConflictError: another sweep has the name.
        """
        made = self.call("POST", "/v1/sweeps", spec.encode(), kind="application/yaml")
        return ServiceSweep(self, json.loads(made)["name"])

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """A JSON document.

        Raises:
            AccessError: the token is missing, not valid, or not enough.
            NotFoundError: there is no such thing.
            ClusterError: nothing answers there, or it cannot do its work.
        """
        asked = urllib.parse.urlencode(query or {}, doseq=True)
        return json.loads(self.call("GET", f"{path}?{asked}" if asked else path))

    def call(self, method: str, path: str, body: bytes | None = None, *, kind: str = "application/json") -> bytes:
        """The body of an answer; errors as of `get`, and SettingError and ConflictError for what is refused."""
        token = self.token or os.environ.get(TOKEN)
        headers = {"Content-Type": kind} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        address = self.url.removeprefix(PREFIX).rstrip("/") + path
        request = urllib.request.Request(address, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWERS_WITHIN) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise _error(error.code, error.read(), self.url) from error
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(f"No service answers at {self.url} ({getattr(error, 'reason', error)}).") from error

    def _pages(self, path: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        found, offset = [], 0
        while True:
            page = self.get(path, {**query, "limit": _PAGE, "offset": offset})
            found += page["items"]
            if page["next"] is None:
                return found
            offset = page["next"]


@dataclass(frozen=True, slots=True)
class ServiceSweep:
    """A sweep of a service, asked over HTTP whenever it is looked at."""

    service: ServiceClient
    name: str

    def facts(self) -> dict[str, Any]:
        """What the service says of it."""
        found: dict[str, Any] = self.service.get(_path(self.name))
        return found

    @property
    def state(self) -> str:
        return str(self.facts()["state"])

    @property
    def best(self) -> dict[str, Any]:
        """The best trial: `trial`, `value`, `config`, `metrics`.

        Raises:
            ConflictError: no trial has a result.
        """
        found: dict[str, Any] = self.service.get(f"{_path(self.name)}/best")
        return found

    def leaderboard(
        self, top: int | None = None, *, where: str | Iterable[str] = (), sort: str | Iterable[str] = ()
    ) -> pandas.DataFrame:
        """One row a trial, best first; arguments are those of `Study.leaderboard`."""
        import pandas

        query = {"where": _several(where), "sort": _several(sort)}
        if top is not None and top <= _PAGE:
            rows = self.service.get(f"{_path(self.name)}/leaderboard", {**query, "limit": top})["items"]
        else:
            rows = self.service._pages(f"{_path(self.name)}/leaderboard", query)[:top]
        plain = ("trial", "value", "state", "best_epoch", "epochs", "seconds", "reason", "starred", "note")
        return pandas.DataFrame([{name: row[name] for name in plain} | row["config"] for row in rows])

    def pause(self) -> str | None:
        """Ask for no new trials; what was done, or None while no driver has answered."""
        return self._ask("pause")

    def resume(self) -> str | None:
        """Ask for new trials again after a pause."""
        return self._ask("resume")

    def stop(self) -> str | None:
        """Ask for no new trials and an end with those that run."""
        return self._ask("stop")

    def cancel(self) -> str | None:
        """Ask for an end now; running trials keep what they reported."""
        return self._ask("cancel")

    def retry(self, *, retry_failed: bool = False) -> None:
        """Have it begun again after it has died, failed or was stopped."""
        asked = f"?retry_failed={str(retry_failed).lower()}"
        self.service.call("POST", f"{_path(self.name)}/retry{asked}")

    def delete(self) -> None:
        """Drop it with its trials and checkpoints, for good."""
        self.service.call("DELETE", _path(self.name))

    def logs(self) -> str:
        """What its driver has said."""
        return self.service.call("GET", f"{_path(self.name)}/logs").decode()

    def predict(self, items: list[Any], *, trial: int | None = None) -> list[Any]:
        """What the best model, or that of a trial, says of texts, rows, or images as base64."""
        asked = "" if trial is None else f"?trial={trial}"
        body = json.dumps({"items": items}).encode()
        found = json.loads(self.service.call("POST", f"{_path(self.name)}/predictions{asked}", body))
        return [one["prediction"] for one in found["predictions"]]

    def wait(self, timeout: float | None = None) -> ServiceSweep:
        """Return when it has ended, however it did: `state` tells.

        Raises:
            TimeoutError: it has not ended after so many seconds.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (state := self.state) not in ENDED:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{self.name} is still {state} after {timeout:g} s.")
            time.sleep(_LOOK_EVERY)
        return self

    def _ask(self, verb: str) -> str | None:
        found = json.loads(self.service.call("POST", f"{_path(self.name)}/{verb}"))
        outcome: str | None = found["outcome"]
        return outcome


def _path(name: str) -> str:
    return f"/v1/sweeps/{urllib.parse.quote(name, safe='')}"


def _several(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _error(status: int, body: bytes, url: str) -> GradfleetError:
    """What the service's problem document would have raised here."""
    try:
        problem = json.loads(body)
        detail, several = str(problem["detail"]), [*map(str, problem.get("problems", []))]
    except (ValueError, KeyError, TypeError):
        return ClusterError(f"What answers at {url} is no service of gradfleet (HTTP {status}).")
    kinds: dict[int, type[GradfleetError]] = {
        401: AccessError,
        403: AccessError,
        404: NotFoundError,
        409: ConflictError,
    }
    if status in kinds:
        return kinds[status](detail)
    return SettingError(several or detail) if status in (400, 413, 415, 422) else ClusterError(detail)
