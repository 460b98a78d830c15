"""The events of a fit, in the order in which they happen, and who listens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.listening.listener import Listener

EVENTS = (
    "fit_start",
    "epoch_start",
    "batch_start",  # the batch is on its device; it may be changed
    "forward_end",  # the outputs are there; they may be changed
    "loss_end",  # the loss is there; it may be changed
    "backward_end",  # the gradients are there; they may be changed in place
    "step_end",  # the optimizer has moved the weights
    "batch_end",
    "train_end",
    "validation_start",
    "validation_batch_start",
    "validation_batch_end",
    "validation_end",
    "epoch_end",  # the record is complete
    "exception",
    "fit_end",  # always the last one
)

_CLOSING = ("exception", "fit_end")  # what one listener raises here must not keep the others from tidying up

Listeners = tuple[tuple[Callback, Callable[[Context], None]], ...]


class Events:
    """Who listens to what. An event without listeners costs the loop one look at an empty tuple.

    Listeners are called in order of their callback's `priority`, the lowest first; equal ones in order of their class
    names, and two of one class in the order in which they were given.

    Attributes:
        callbacks: in that order.
        within_step: those of `forward_end` and `loss_end` that somebody listens to; always the same set.
    """

    batch_start: Listeners
    backward_end: Listeners
    step_end: Listeners
    batch_end: Listeners
    validation_batch_start: Listeners
    validation_batch_end: Listeners

    def __init__(self, callbacks: Iterable[Callback], context: Context, *, own: Sequence[str] = ()) -> None:
        given: list[Any] = list(callbacks)
        if found := [_refusal(one) for one in given if not isinstance(one, Callback)]:
            raise SettingError(found)
        self._context = context
        self.within_step: set[str] = set()
        self._names = (*EVENTS, *own)
        self._seat(given)

    def add(self, callback: Callback, own: Sequence[str] = ()) -> None:
        """Let one more listen, from the next event on."""
        self.callbacks.append(callback)
        self._names = ()
        self.know(own)

    def know(self, own: Sequence[str]) -> None:
        """Take in events that the user has added since."""
        if (names := (*EVENTS, *own)) != self._names:
            self._names = names
            self._seat(self.callbacks)

    def fire(self, event: str) -> None:
        """Tell everybody who listens to `event`; an exception is marked with the callback and the event."""
        listeners: Listeners = getattr(self, event)
        failed: Exception | None = None
        for callback, listener in listeners:
            try:
                listener(self._context)
            except Exception as error:
                error.add_note(f"Raised by the callback {_name(callback)} at the event {event!r}.")
                if event not in _CLOSING:
                    raise
                failed = failed or error
        if failed is not None:
            raise failed

    def listens(self, event: str) -> bool:
        return bool(getattr(self, event))

    def _seat(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks: list[Callback] = sorted(callbacks, key=_place)
        for event in self._names:
            setattr(self, event, _listeners(self.callbacks, event))
        self.within_step.clear()
        self.within_step.update(event for event in ("forward_end", "loss_end") if self.listens(event))


def _refusal(given: object) -> str:
    hint = f" Make one: {given.__name__}()." if isinstance(given, type) and issubclass(given, Callback) else ""
    return f"A callback is a Callback, got {given!r}.{hint}"


def _place(callback: Callback) -> tuple[int, str, str]:
    return callback.priority, type(callback).__module__, type(callback).__qualname__


def _name(callback: Callback) -> str:
    return callback.name if isinstance(callback, Listener) else type(callback).__name__


def _listeners(callbacks: Sequence[Callback], event: str) -> Listeners:
    method = f"on_{event}"
    nobody: Any = getattr(Callback, method, None)
    found = [(one, getattr(one, method, nobody)) for one in callbacks]
    return tuple((one, listener) for one, listener in found if getattr(listener, "__func__", listener) is not nobody)
