"""A function that listens to an event, and the filter that says at which times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

Function = Callable[[Context], object]
_OF_EPOCHS = ("epoch_start", "train_end", "validation_start", "validation_end", "epoch_end")


@dataclass(frozen=True, slots=True)
class Filter:
    """At which times of an event to listen; all that is given must hold.

    An event of an epoch is counted by the epoch's number, every other one by how often it happened since somebody
    listens, over all fits of the model. The first time is 1.

    Args:
        every: each so many times: 5, 10, 15 of `every=5`. With `after`, the first one after it and every so many from
            there: 9, 14, 19 of `every=5, after=8`.
        once: the first time that the rest of the filter lets through, and never again.
        at: these times alone.
        after: times greater than this one.
        before: times smaller than this one.
        when: asked last, with the context.

    Raises:
        SettingError: a number is none, or below 1; all that are wrong are listed.
    """

    every: int | None = None
    once: bool = False
    at: Collection[int] | None = None
    after: int | None = None
    before: int | None = None
    when: Callable[[Context], bool] | None = None

    def __post_init__(self) -> None:
        numbers = {"every": (self.every, 1), "after": (self.after, 0), "before": (self.before, 1)}
        found = [
            f"{name} must be a whole number of at least {least}, got {value!r}."
            for name, (value, least) in numbers.items()
            if value is not None and not (isinstance(value, Integral) and int(value) >= least)
        ]
        if self.at is not None and not isinstance(self.at, Collection):
            found.append(f"at takes several times, such as [1, 5], got {self.at!r}.")
        if found:
            raise SettingError(found)

    def passes(self, time: int, context: Context) -> bool:
        """Whether to listen this time."""
        return (
            (self.at is None or time in self.at)
            and (self.after is None or time > self.after)
            and (self.before is None or time < self.before)
            and (self.every is None or (time if self.after is None else time - self.after - 1) % self.every == 0)
            and (self.when is None or bool(self.when(context)))
        )


class Listener(Callback):
    """A function as a callback of one event or several, each counted on its own."""

    def __init__(self, function: Function, events: Sequence[str], chosen: Filter, *, priority: int = 0) -> None:
        self.function = function
        self.priority = priority
        self.removed = False
        self._filter = chosen
        self._times = dict.fromkeys(events, 0)
        for event in events:
            setattr(self, f"on_{event}", self._hearer(event))

    @property
    def name(self) -> str:
        """What the function is called."""
        return getattr(self.function, "__qualname__", type(self.function).__qualname__)

    def state(self) -> Mapping[str, Any]:
        return {"times": dict(self._times), "removed": self.removed}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._times |= {event: times for event, times in state["times"].items() if event in self._times}
        self.removed = state["removed"]

    def _hearer(self, event: str) -> Callable[[Context], None]:
        of_epochs = event in _OF_EPOCHS

        def hear(context: Context) -> None:
            if self.removed:
                return
            self._times[event] = context.epoch if of_epochs else self._times[event] + 1
            if self._filter.passes(self._times[event], context):
                self.removed = self._filter.once
                self.function(context)

        return hear
