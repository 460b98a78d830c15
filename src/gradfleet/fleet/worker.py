"""A warm worker: one process that runs one trial after the other."""

from __future__ import annotations

import pickle
import queue
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

# Nothing heavy is imported here: an actor has to be up within a fraction of a second, and torch takes two.
if TYPE_CHECKING:
    from gradfleet.training.history import EpochRecord
    from gradfleet.trials.plan import TrialPlan
    from gradfleet.trials.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Reported:
    """A record; its trial waits for the answer.

    Attributes:
        checkpoint: the address of what was written with it.
    """

    epoch: int
    metrics: dict[str, float]
    checkpoint: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that is over.

    Attributes:
        error: the traceback of what it raised.
        no_space: why, where a full disk ended it.
    """

    error: str | None = None
    no_space: str | None = None


class TrialWorker:
    """Becomes a Ray actor. The trial runs on a thread of its own; each call hands out what comes next of it.

    A record waits until the driver has answered it: with True its trial trains on, with False it must stop. The recipe
    is unpickled once and kept.
    """

    def __init__(self, recipe: bytes) -> None:
        self._recipe = recipe
        self._plans: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[Reported | Ended] = queue.SimpleQueue()
        self._ready = threading.Event()
        # A thread a trial would leave a pool of OpenMP threads behind each time.
        threading.Thread(target=self._work, name="gradfleet-trial", daemon=True).start()

    def is_placed(self) -> bool:
        """Return as soon as the cluster has room for this one."""
        return True

    def ready(self) -> None:
        """Return once everything is imported, so that a trial's time is its own."""
        self._ready.wait()

    def start(self, plan: bytes) -> Reported | Ended:
        """Begin a trial; its first record, or its end."""
        self._plans.put(plan)
        return self._heard.get()

    def answer(self, goes_on: bool) -> Reported | Ended:  # Ray's calls are positional
        """Answer the record that waits; the next one, or the trial's end."""
        self._answers.put(goes_on)
        return self._heard.get()

    def _work(self) -> None:
        recipe: Recipe | None = None
        try:
            recipe = self._load()
        except BaseException:  # told by each trial, which tries again
            recipe = None
        self._ready.set()
        while True:
            plan = self._plans.get()
            try:
                recipe = recipe or self._load()
                ended = self._run(recipe, pickle.loads(plan))
            except BaseException:  # a trial that the driver waits for in vain would never end
                ended = Ended(error=traceback.format_exc())
            self._heard.put(ended)

    def _load(self) -> Recipe:
        import gradfleet.trials.run  # noqa: F401  # with torch

        recipe: Recipe = pickle.loads(self._recipe)
        return recipe

    def _run(self, recipe: Recipe, plan: TrialPlan) -> Ended:
        from gradfleet.errors import NoSpaceError
        from gradfleet.trials.run import run_trial

        try:
            return Ended(error=run_trial(recipe, self._own(plan), self._report))
        except NoSpaceError as error:
            return Ended(no_space=str(error))

    def _own(self, plan: TrialPlan) -> TrialPlan:
        """The plan as this process carries it out."""
        return plan

    def _report(self, record: EpochRecord, checkpoint: str | None = None) -> None:
        from gradfleet.errors import TrialStopped

        self._heard.put(Reported(record.epoch, dict(record.metrics), checkpoint))
        if not self._answers.get():
            raise TrialStopped
