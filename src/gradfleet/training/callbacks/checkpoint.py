"""Keep epochs on disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.objective import Mode
from gradfleet.training.callbacks.best import Best
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class Checkpoint(Callback):
    """Saves the model into folders under `folder`:

    - `last` after every epoch;
    - `best` whenever `monitor` becomes better; with `top` above 1 the best ones instead, each as `best-<epoch>`;
    - `epoch-<number>`, `step-<number>` and `time-<step>` for those of every so many epochs, steps and minutes;
    - `exception` when an exception or Ctrl-C ends the fit.

    Steps are counted over the fit and those it resumes. A checkpoint in the middle of an epoch has the weights of
    that moment, and the records of the epochs before it.

    Args:
        monitor: a metric's name as records have it.
        mode: "min" or "max"; may be left out when `monitor` is a loss.
        top: how many of the best epochs are kept.
        last: whether to keep the last epoch.

    Raises:
        SettingError: a number is not above 0, or `top` has no `monitor`.
    """

    priority = 80
    writes = True
    may_log = False

    def __init__(
        self,
        folder: Path | str,
        *,
        monitor: str | None = None,
        mode: Mode | None = None,
        top: int = 1,
        last: bool = True,
        every_epochs: int | None = None,
        every_steps: int | None = None,
        every_minutes: float | None = None,
        on_exception: bool = False,
    ) -> None:
        numbers = {"top": top, "every_epochs": every_epochs, "every_steps": every_steps, "every_minutes": every_minutes}
        found = [
            f"{name} must be above 0, got {one!r}." for name, one in numbers.items() if one is not None and one <= 0
        ]
        if top > 1 and monitor is None:
            found.append(f"To keep the {top} best epochs say by which metric: monitor='val_loss'.")
        if found:
            raise SettingError(found)
        self.folder = Path(folder).absolute()
        self.best = Best(monitor, mode) if monitor is not None else None
        self._top, self._last, self._on_exception = top, last, on_exception
        self._every_epochs, self._every_steps = every_epochs, every_steps
        self._every_seconds = None if every_minutes is None else every_minutes * 60
        if every_steps is None and every_minutes is None:
            self.on_batch_end = super().on_batch_end  # type: ignore[method-assign]  # nothing to listen to in a batch
        self._kept: list[tuple[float, int]] = []
        self._step = 0
        self._saved_at = 0.0
        self._resumed = False

    def state(self) -> Mapping[str, Any]:
        best = {} if self.best is None else {"best": self.best.state()}
        return {**best, "kept": [list(one) for one in self._kept], "step": self._step}

    def load_state(self, state: Mapping[str, Any]) -> None:
        if self.best is not None and "best" in state:
            self.best.load_state(state["best"])
        self._kept = [(rank, epoch) for rank, epoch in state["kept"]]
        self._step = state["step"]
        self._resumed = True

    def on_fit_start(self, context: Context) -> None:
        if self.best is not None:
            self.best.check_name(context)
        if not self._resumed:
            self._kept, self._step = [], 0
            if self.best is not None:
                self.best.clear()
        self._resumed = False
        self._saved_at = time.monotonic()

    def on_batch_end(self, context: Context) -> None:
        self._step += 1
        if self._every_steps is not None and self._step % self._every_steps == 0:
            self._save(context, f"step-{self._step}")
        now = time.monotonic()
        if self._every_seconds is not None and now - self._saved_at >= self._every_seconds:
            self._saved_at = now
            self._save(context, f"time-{self._step}")

    def on_epoch_end(self, context: Context) -> None:
        assert context.record is not None
        if self.best is not None:
            improved = self.best.offer(context.record)
            if self._top > 1:
                self._keep_top(context, self.best)
            elif improved:
                self._save(context, "best")
        if self._every_epochs is not None and context.epoch % self._every_epochs == 0:
            self._save(context, f"epoch-{context.epoch}")
        if self._last:
            self._save(context, "last")

    def on_exception(self, context: Context) -> None:
        if self._on_exception and context.model.sharding is None:  # the other processes may not be there to help
            self._save(context, "exception")

    def _keep_top(self, context: Context, best: Best) -> None:
        """Save the epoch when it is one of the best, and drop the one that is not any more."""
        assert context.record is not None
        rank = best.rank(context.record)
        if rank is None or (len(self._kept) == self._top and (rank, context.epoch) > self._kept[-1]):
            return
        self._kept = sorted([*self._kept, (rank, context.epoch)])
        dropped = self._kept[self._top :]
        self._kept = self._kept[: self._top]
        self._save(context, f"best-{context.epoch}")
        for _, epoch in dropped:
            shutil.rmtree(self.folder / f"best-{epoch}", ignore_errors=True)

    def _save(self, context: Context, name: str) -> None:
        context.model.save(self.folder / name)
