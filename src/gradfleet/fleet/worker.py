"""A warm Ray Tune worker: one process that runs one trial after the other."""

from __future__ import annotations

import pickle
import queue
import threading
from typing import TYPE_CHECKING, Any

from ray import tune

# Nothing heavy is imported here: an actor has to be up within a fraction of a second, and torch takes two.
if TYPE_CHECKING:
    from gradfleet.training.history import EpochRecord
    from gradfleet.trials.plan import TrialPlan
    from gradfleet.trials.recipe import Recipe


class TrialWorker(tune.Trainable):
    """Runs `plan` from its config on a thread of its own; `step` hands out one record at a time.

    A record waits in `step` until the driver has answered it: the next `step` means go on, a reset or a cleanup means
    that the trial must stop. The recipe is unpickled by the first trial and kept.
    """

    _recipe: Recipe

    def setup(self, config: dict[str, Any], recipe: bytes = b"") -> None:
        self._recipe_bytes = recipe
        self._plan_bytes: bytes = config["plan"]
        self._runner = _Runner()

    def step(self) -> dict[str, Any]:
        if not self._runner.busy:
            if not hasattr(self, "_recipe"):
                self._recipe = pickle.loads(self._recipe_bytes)
            self._runner.start(self._recipe, pickle.loads(self._plan_bytes))
        return self._runner.next_result()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._runner.stop()
        self._plan_bytes = new_config["plan"]
        return True

    def cleanup(self) -> None:
        self._runner.stop()

    def log_result(self, result: dict[str, Any]) -> None:
        """Ray's per-trial log files are not kept: the store has every record."""


class _Runner:
    """One long-lived thread that trains. A thread a trial would leave a pool of OpenMP threads behind each time."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Recipe, TrialPlan]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._awaiting_answer = False
        self.busy = False
        threading.Thread(target=self._work, name="gradfleet-trial", daemon=True).start()

    def start(self, recipe: Recipe, plan: TrialPlan) -> None:
        self.busy = True
        self._jobs.put((recipe, plan))

    def next_result(self) -> dict[str, Any]:
        """The next record of the running trial, or how it ended."""
        if self._awaiting_answer:
            self._awaiting_answer = False
            self._answers.put(True)
        result = self._results.get()
        self.busy = self._awaiting_answer = not result["done"]
        return result

    def stop(self) -> None:
        """End the running trial at the record that waits for its answer."""
        if not self.busy:
            return
        self._answers.put(False)
        self._awaiting_answer = False
        while not self._results.get()["done"]:
            self._answers.put(False)
        self.busy = False

    def _work(self) -> None:
        from gradfleet.trials.run import run_trial

        while True:
            recipe, plan = self._jobs.get()
            error = run_trial(recipe, plan, self._report)
            self._results.put({"done": True, "error": error})

    def _report(self, record: EpochRecord, checkpoint: str | None = None) -> None:
        from gradfleet.errors import TrialStopped

        self._results.put(
            {"done": False, "epoch": record.epoch, "metrics": dict(record.metrics), "checkpoint": checkpoint}
        )
        if not self._answers.get():
            raise TrialStopped
