"""The sweeps of a store that is opened here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradfleet.errors import ConflictError
from gradfleet.study.storage.rows import ENDED
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study

_ANSWER_WITHIN = 10.0  # seconds; a driver reads its requests every second
_LOOK_EVERY = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """A study and its driver."""

    store: Store
    study: Study

    @property
    def name(self) -> str:
        return self.study.name

    def facts(self) -> dict[str, Any]:
        """What `sweep show --json` says of it."""
        return self.study.facts()

    def ask(self, verb: str) -> str | None:
        """Put a request into the store; what the driver has done, or None while none has answered.

        Raises:
            ConflictError: the sweep has ended.
        """
        if (state := self.study.state) in ENDED:
            raise ConflictError(
                f"Study {self.name!r} is {state}: there is no sweep to {verb}. Run it again with --resume."
            )
        request = self.study.request(verb)
        deadline = time.monotonic() + _ANSWER_WITHIN
        while (answer := self.study.answer(request)) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
        return answer

    def wait(self, timeout: float | None = None) -> Study:
        """Return when it has ended; errors as of `Study.wait`."""
        return self.study.wait(timeout)

    def retry(self, *, cluster: str | None = None) -> Mapping[str, str]:
        """Send it to its cluster once more, or to another one; errors as of `send_again`."""
        from gradfleet.fleet.remote import send_again  # Ray takes a second to import

        job = send_again(self.store, self.study.row, cluster=cluster)
        return {"job": job.submission_id, "cluster": job.cluster}

    def logs(self, trial: int | None = None) -> str:
        """What its driver has said, or a trial has printed; errors as of `Study.logs`."""
        return self.study.logs(trial)

    def delete(self) -> None:
        """Drop it; errors as of `Study.delete`."""
        self.study.delete()


@dataclass(frozen=True, slots=True)
class StoredSweeps:
    """All of one store.

    Args:
        store: a SQLite path or a database URL; `gradfleet.db` in the working folder when None.
    """

    store: str | Path | None = None

    def sweeps(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """What there is to say of each, oldest first."""
        found = [study.facts() for study in Study.all(store=self.store)]
        return [each for each in found if state in (None, each["state"])]

    def sweep(self, name: str) -> StoredSweep:
        """One of them; errors as of `Study.attach`."""
        opened = Store.open(self.store, must_exist=True)
        row = opened.study(name)
        return StoredSweep(opened, Study(opened, row))
