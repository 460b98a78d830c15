"""A driver in a process of its own: the sweep goes on when whoever began it has gone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from gradfleet.data.prepared import DataRef
from gradfleet.errors import GradfleetError
from gradfleet.fleet.sweep import SweepSettings, run_sweep
from gradfleet.search.space import SearchSpace
from gradfleet.study.lease import Lease
from gradfleet.study.progress import SweepProgress
from gradfleet.study.rows import StudyRow, StudyState
from gradfleet.study.store import Store
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.recipes import by_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a driver is told: the whole sweep, so that it needs nothing of the process that began it.

    Attributes:
        store: URL, with its password; it goes through a pipe and lies nowhere.
        started: Unix time in seconds at which the user's call began; the time budget counts from it.
    """

    study: str
    store: str
    recipe: Recipe
    space: SearchSpace
    settings: SweepSettings
    data: DataRef | None
    started: float

    def run(self) -> None:
        """Search to the end in this process; what goes wrong before the first trial is the study's failure."""
        store = Store.open(self.store)
        study = store.study(self.study)
        view = SweepProgress(study.name, self.settings.objective, self.settings.budget)
        store.database.outage.say = view.say
        try:
            executor = self.settings.executor()
        except BaseException:
            mark(store, study, "failed")
            raise
        view.say(f"Study {study.name!r} in {store.url}, until {self.settings.budget}.")
        run_sweep(
            self.recipe,
            self.space,
            self.settings,
            executor,
            store=store,
            study=study,
            data=self.data,
            started=self.started,
            view=view,
        )


def begin(order: Order, store: Store, study: StudyRow, *, log: Path) -> int:
    """Queue the study and start its driver, in a session of its own; the driver's process id.

    Args:
        log: what the driver says goes there, after what is there already.

    Raises:
        ExecutionError: a part of the order cannot leave this process.
        LeaseHeldError: a living driver holds the study.
    """
    told = by_value(order)
    mark(store, study, "queued")
    log.parent.mkdir(parents=True, exist_ok=True)
    # What is imported by path here must be found there too.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gradfleet.fleet.driver"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(told)
    # Somebody has to take note of its end, or it stays a zombie for as long as this process lives.
    threading.Thread(target=process.wait, name=f"driver of {study.name}", daemon=True).start()
    return process.pid


def mark(store: Store, study: StudyRow, state: StudyState) -> None:
    """Write a state for a study that nobody drives.

    Raises:
        LeaseHeldError: a living driver holds it.
    """
    with Lease.acquire(store, study, wait=False) as lease:
        store.set_state(lease, state)


def main() -> int:
    """Run the order on stdin; 1 when it failed, with the reason on stderr."""
    order: Order = pickle.load(sys.stdin.buffer)
    try:
        order.run()
    except GradfleetError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
