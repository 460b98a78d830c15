"""The base of everything that writes a run's numbers elsewhere."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Run:
    """What a tracker calls one fit.

    Attributes:
        group: what several runs have in common; under a sweep the study's name.
        name: of this run within its group.
        config: what the run was made from.
    """

    group: str = "gradfleet"
    name: str = "run"
    config: Mapping[str, Plain] = field(default_factory=dict)


class Tracker(Callback):
    """One run for every fit: begun with its config, fed with each record, closed with its final state.

    Attributes:
        run: may be set until the fit begins; a sweep sets it for each trial.

    Example:
        A tracker of your own, here one for Visdom:

        >>> class VisdomTracker(Tracker):
        ...     def start(self, run):
        ...         import visdom
        ...         self.visdom = visdom.Visdom(env=f"{run.group}_{run.name}")
        ...         self.visdom.text(str(dict(run.config)))
        ...
        ...     def log(self, values, step):
        ...         for name, value in values.items():
        ...             self.visdom.line([value], [step], win=name, update="append", opts={"title": name})
        ...
        ...     def finish(self, state):
        ...         self.visdom.text(state)
        >>> tracker = VisdomTracker(Run("digits", "first", {"learning_rate": 0.1}))
    """

    priority = 85
    writes = True
    may_log = False

    def __init__(self, run: Run | None = None) -> None:
        self.run = run or Run()
        self._is_open = False

    @abstractmethod
    def start(self, run: Run) -> None:
        """Begin a run and keep its config."""

    @abstractmethod
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keep an epoch's numbers; `step` is the number of the epoch."""

    @abstractmethod
    def finish(self, state: str) -> None:
        """Close the run. The state is "completed", "stopped: <reason>", "failed: <error>" or "ended early"."""

    def on_fit_start(self, context: Context) -> None:
        self.start(self.run)
        self._is_open = True

    def on_epoch_end(self, context: Context) -> None:
        assert context.record is not None
        self.log(context.record.metrics, context.record.epoch)

    def on_fit_end(self, context: Context) -> None:
        if self._is_open:  # not where starting it was what failed
            self._is_open = False
            self.finish(_state(context))


def _state(context: Context) -> str:
    if context.error is not None:
        return f"failed: {type(context.error).__name__}: {context.error}".rstrip(": ")
    if context.stop_reason is not None:
        return f"stopped: {context.stop_reason}"
    return "completed" if len(context.history) >= context.total_epochs else "ended early"
