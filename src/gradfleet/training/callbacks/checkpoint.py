"""Keep the last and the best epoch on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradfleet.objective import Mode
from gradfleet.training.callbacks.best import Best
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class Checkpoint(Callback):
    """Saves the model after every epoch to `folder/last`, and to `folder/best` whenever `monitor` becomes better.

    Args:
        monitor: a metric's name as records have it; None keeps the last epoch only.
        mode: "min" or "max"; may be left out when `monitor` is a loss.
    """

    priority = 80

    def __init__(self, folder: Path | str, *, monitor: str | None = None, mode: Mode | None = None) -> None:
        self.folder = Path(folder).absolute()
        self.best = Best(monitor, mode) if monitor is not None else None
        self._resumed = False

    def state(self) -> Mapping[str, Any]:
        return {} if self.best is None else {"best": self.best.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        if self.best is not None and "best" in state:
            self.best.load_state(state["best"])
        self._resumed = True

    def on_fit_start(self, context: Context) -> None:
        if self.best is not None:
            self.best.check_name(context)
            if not self._resumed:
                self.best.clear()
        self._resumed = False

    def on_epoch_end(self, context: Context) -> None:
        assert context.record is not None
        improved = self.best is not None and self.best.offer(context.record)
        context.model.save(self.folder / "last")
        if improved:
            context.model.save(self.folder / "best")
