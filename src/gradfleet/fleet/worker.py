"""A warm Ray Tune worker: one process that runs one trial after the other."""

from __future__ import annotations

import pickle
import queue
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray import tune

# Nothing heavy is imported here: an actor has to be up within a fraction of a second, and torch takes two.
if TYPE_CHECKING:
    from gradfleet.training.history import EpochRecord
    from gradfleet.trials.plan import TrialPlan
    from gradfleet.trials.recipe import Recipe


@dataclass(frozen=True, repr=False)
class PackedPlan:
    """A plan as bytes: the worker must not import torch before it is up.

    Tune copies a config several times a trial, sends it back with every result and writes all of it into tags and
    folder names; so this is never copied, and is its number as text.
    """

    number: int
    packed: bytes

    @classmethod
    def of(cls, plan: TrialPlan) -> PackedPlan:
        return cls(plan.number, pickle.dumps(plan))

    def unpack(self) -> TrialPlan:
        plan: TrialPlan = pickle.loads(self.packed)
        return plan

    def __repr__(self) -> str:
        return str(self.number)

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedPlan:
        return self


class TrialWorker(tune.Trainable):
    """Runs `plan` from its config on a thread of its own; `step` hands out one record at a time.

    A record waits in `step` until the driver has answered it: the next `step` means go on, a reset or a cleanup means
    that the trial must stop. The recipe is unpickled by the first trial and kept.
    """

    def setup(self, config: dict[str, Any], recipe: bytes = b"") -> None:
        self._plan: PackedPlan = config["plan"]
        self._runner = _Runner(recipe)

    def step(self) -> dict[str, Any]:
        if not self._runner.busy:
            self._runner.start(self._plan)
        return self._runner.next_result()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._runner.stop()
        self._plan = new_config["plan"]
        return True

    def cleanup(self) -> None:
        self._runner.stop()

    def get_auto_filled_metrics(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Nothing of what Tune adds to a result is read by anybody here: the config, the host, times."""
        return {}

    def log_result(self, result: dict[str, Any]) -> None:
        """Ray's per-trial log files are not kept: the store has every record."""


class _Runner:
    """One long-lived thread that trains. A thread a trial would leave a pool of OpenMP threads behind each time."""

    def __init__(self, recipe: bytes) -> None:
        self._recipe = recipe
        self._plans: queue.SimpleQueue[PackedPlan] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._awaiting_answer = False
        self.busy = False
        threading.Thread(target=self._work, name="gradfleet-trial", daemon=True).start()

    def start(self, plan: PackedPlan) -> None:
        self.busy = True
        self._plans.put(plan)

    def next_result(self) -> dict[str, Any]:
        """The next record of the running trial, or how it ended."""
        if self._awaiting_answer:
            self._answers.put(True)
        result = self._results.get()
        self.busy = self._awaiting_answer = not result["done"]
        return result

    def stop(self) -> None:
        """End the running trial at the record that waits for its answer."""
        while self.busy:
            self._answers.put(False)
            self.busy = not self._results.get()["done"]
        self._awaiting_answer = False

    def _work(self) -> None:
        recipe: Recipe | None = None
        while True:
            plan = self._plans.get()
            ended: dict[str, Any] = {"done": True, "error": None, "no_space": None}
            try:
                from gradfleet.errors import NoSpaceError
                from gradfleet.trials.run import run_trial

                recipe = recipe or pickle.loads(self._recipe)
                ended["error"] = run_trial(recipe, plan.unpack(), self._report)
            except BaseException as error:  # a trial that the driver waits for in vain would never end
                ended["no_space"] = str(error) if isinstance(error, NoSpaceError) else None
                ended["error"] = traceback.format_exc()
            self._results.put(ended)

    def _report(self, record: EpochRecord, checkpoint: str | None = None) -> None:
        from gradfleet.errors import TrialStopped

        self._results.put(
            {"done": False, "epoch": record.epoch, "metrics": dict(record.metrics), "checkpoint": checkpoint}
        )
        if not self._answers.get():
            raise TrialStopped
