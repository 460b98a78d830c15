"""A sweep of a service, and its trials, asked over HTTP whenever they are looked at."""

from __future__ import annotations

import json
import math
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gradfleet.errors import ConflictError, ExecutionError, SettingError
from gradfleet.fleet.service_pictures import PicturedSweep, sweep_path
from gradfleet.fleet.service_standings import standings
from gradfleet.fleet.service_trial import ServiceReplay, ServiceTrial, epoch_record, trial_path
from gradfleet.notebook import Followed, LiveCell
from gradfleet.objective import Objective
from gradfleet.study.card import Card, Curve
from gradfleet.study.standings import Standings
from gradfleet.study.storage.rows import ENDED
from gradfleet.training.history import EpochRecord, History

if TYPE_CHECKING:
    import pandas

    from gradfleet.fleet.service_client import ServiceClient

PAGE = 500
"""Rows at most that the service gives at once."""

_LOOK_EVERY = 1.0  # seconds
_MOST_ITEMS = 256
_MOST_SENT = 3 * 2**20  # bytes; a service refuses a body of more than 4 MB


@dataclass(frozen=True, slots=True)
class ServiceSweep(PicturedSweep, Followed):
    """A sweep of a service, asked over HTTP whenever it is looked at."""

    service: ServiceClient
    name: str
    _cell: LiveCell = field(default_factory=LiveCell, repr=False, compare=False)

    def _look(self) -> tuple[str, bool]:
        found = self.facts()
        page = f"{self.service.address}/ui{sweep_path(self.name).removeprefix('/v1')}"
        metric = "" if found["objective"] is None else str(found["objective"]["metric"])
        card = Card(self.name, found["state"], None, metric, page=page)
        if found["best"] is not None:
            best = self.best
            records = self.service.get(f"{trial_path(self.name, best.number)}/records")
            points = [(one["epoch"], one["metrics"].get(metric)) for one in records]
            curve = Curve(best.number, [(epoch, value) for epoch, value in points if value is not None])
            card = replace(card, best=f"best {metric} {best.value:.4f}, trial {best.number}", curve=curve)
        return card.html(), found["state"] in ENDED

    def facts(self) -> dict[str, Any]:
        """What the service says of it."""
        found: dict[str, Any] = self.service.get(sweep_path(self.name))
        return found

    @property
    def state(self) -> str:
        return str(self.facts()["state"])

    @property
    def best(self) -> ServiceTrial:
        """The best trial so far.

        Raises:
            NoUsableTrialError: no trial has a result.
        """
        return ServiceTrial.of(self, self.service.get(f"{sweep_path(self.name)}/best"))

    def trial(self, number: int) -> ServiceTrial:
        """One trial.

        Raises:
            NotFoundError: there is none of that number.
        """
        return ServiceTrial.of(self, self.service.get(trial_path(self.name, number)))

    @property
    def objective(self) -> Objective:
        """What decides which trial is better, the first of several.

        Raises:
            ConflictError: it is still being prepared.
        """
        found = self.facts()["objective"]
        if found is None:
            raise ConflictError(f"{self.name} is still being prepared, so it has no objective yet. Ask in a moment.")
        return Objective(**found)

    def leaderboard(
        self, top: int | None = None, *, where: str | Iterable[str] = (), sort: str | Iterable[str] = ()
    ) -> pandas.DataFrame:
        """One row a trial, best first; arguments, columns and errors are those of `Study.leaderboard`."""
        return self.standings(where, sort, top=top).frame

    def standings(
        self,
        where: str | Iterable[str] = (),
        sort: str | Iterable[str] = (),
        *,
        top: int | None = None,
        with_default: bool = False,
    ) -> Standings:
        """The same leaderboard as the object that `Study.standings` gives; only what is shown is asked for."""
        said = {"where": [where] if isinstance(where, str) else list(where)}
        said |= {"sort": [sort] if isinstance(sort, str) else list(sort)}
        rows: list[dict[str, Any]] = []
        while True:
            left = math.inf if top is None else top - len(rows)
            asked: dict[str, Any] = {"limit": max(min(PAGE, left), 1), "offset": len(rows)}
            if with_default and left <= PAGE:
                asked["default"] = "true"
            page = self.service.get(f"{sweep_path(self.name)}/leaderboard", {**said, **asked})
            rows += page["items"]
            if left <= PAGE or page["next"] is None:
                return standings(page, rows).top(top, with_default=with_default)

    def star(self, number: int, *, starred: bool = True) -> None:
        """Mark a trial, or take its mark away; errors as of `trial`."""
        self._mark(number, starred=starred)

    def note(self, number: int, text: str) -> None:
        """Write about a trial, over what was written before; an empty text takes it away. Errors as of `trial`."""
        self._mark(number, note=text)

    def _mark(self, number: int, **marks: object) -> None:
        self.service.call("PATCH", trial_path(self.name, number), json.dumps(marks).encode())

    def ask(self, verb: str) -> str | None:
        """Have it pause, resume, stop or cancel; what was done, or None while no driver has answered.

        Raises:
            ConflictError: it has ended.
        """
        outcome: str | None = self._asked(verb)["outcome"]
        return outcome

    def pause(self) -> str | None:
        """Ask for no new trials; as `ask`."""
        return self.ask("pause")

    def resume(self) -> str | None:
        """Ask for new trials again after a pause."""
        return self.ask("resume")

    def stop(self) -> str | None:
        """Ask for no new trials and an end with those that run."""
        return self.ask("stop")

    def cancel(self) -> str | None:
        """Ask for an end now; running trials keep what they reported."""
        return self.ask("cancel")

    def retry(self, *, retry_failed: bool = False, cluster: str | None = None) -> Mapping[str, str]:
        """Have it begun again after it has died, failed or was stopped; the service, by name.

        Raises:
            SettingError: for another cluster: the service has its own.
            ConflictError: it runs, or waits for its turn.
        """
        if cluster is not None:
            raise SettingError(f"Where sweeps of {self.service.url} run is the service's to say; leave cluster out.")
        asked = f"?retry_failed={str(retry_failed).lower()}"
        self.service.call("POST", f"{sweep_path(self.name)}/retry{asked}")
        return {"service": self.service.url}

    def delete(self) -> None:
        """Drop it with its trials and checkpoints, for good."""
        self.service.call("DELETE", sweep_path(self.name))

    def logs(self, trial: int | None = None) -> str:
        """What its driver has said, or what a trial has printed."""
        whose = sweep_path(self.name) if trial is None else trial_path(self.name, trial)
        return self.service.call("GET", f"{whose}/logs").decode()

    def replay(self, number: int, *, say: Callable[[EpochRecord], object] | None = None) -> ServiceReplay:
        """Have a trial trained again there, and wait for its end.

        Args:
            say: takes each record as it is told of.

        Raises:
            NotFoundError: there is none of that number.
            ConflictError: it has no value that could come out again, or still runs.
            ExecutionError: no value came; why is in the message.
        """
        path = f"{trial_path(self.name, number)}/replay"
        self.service.call("POST", path)
        history = History()
        while True:
            found = self.service.get(path)
            for one in found["records"][len(history) :]:
                history.append(epoch_record(one))
                if say is not None:
                    say(history[-1])
            if found["state"] != "running":
                break
            time.sleep(_LOOK_EVERY)
        if found["state"] == "failed":
            raise ExecutionError(str(found["problem"]))
        same = ("value", "recorded", "epoch", "same")
        config = self.trial(number).config
        return ServiceReplay(number, config=config, history=history, **{name: found[name] for name in same})

    def predict(self, items: list[Any], *, trial: int | None = None) -> list[Any]:
        """What the best model, or that of a trial, says of texts, rows, or images as base64."""
        return [one["prediction"] for one in self.predictions(items, trial=trial)]

    def predictions(self, items: Sequence[Any], *, trial: int | None = None, proba: bool = False) -> list[Any]:
        """As `predict`, an object an item: `prediction`, and with `proba` `probabilities` by class."""
        asked = urllib.parse.urlencode({"proba": str(proba).lower()} | ({} if trial is None else {"trial": trial}))
        path = f"{sweep_path(self.name)}/predictions?{asked}"
        bodies = [json.dumps({"items": part}).encode() for part in _parts(items)]
        return [one for body in bodies for one in json.loads(self.service.call("POST", path, body))["predictions"]]

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
        self._cell.settle()
        return self

    def _asked(self, verb: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.service.call("POST", f"{sweep_path(self.name)}/{verb}"))
        return found


def _parts(items: Sequence[Any]) -> list[list[Any]]:
    """The items in parts that a service takes at once."""
    parts: list[list[Any]] = [[]]
    room = _MOST_SENT
    for item in items:
        size = len(json.dumps(item))
        if parts[-1] and (size > room or len(parts[-1]) >= _MOST_ITEMS):
            parts.append([])
            room = _MOST_SENT
        parts[-1].append(item)
        room -= size
    return parts
