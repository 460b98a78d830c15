"""The functions that listen to a model's fits, and the events that its user has added."""

from __future__ import annotations

from collections.abc import Sequence

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.listening.events import EVENTS
from gradfleet.training.listening.listener import Filter, Function, Listener

_OF_LOADERS = {
    "train": {"batch_start": "batch_start", "batch_end": "batch_end"},
    "validation": {"batch_start": "validation_batch_start", "batch_end": "validation_batch_end"},
}


class Handle:
    """One registration, to be taken back with `remove()`."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def remove(self) -> None:
        """Listen no more, from now on; also in the middle of a fit."""
        self._listener.removed = True


class Listeners:
    """Owned by one model; there is no registry beside it."""

    def __init__(self) -> None:
        self._own: list[str] = []
        self._listeners: list[Listener] = []

    @property
    def callbacks(self) -> list[Listener]:
        """Those that still listen, in the order in which they were registered."""
        self._listeners = [one for one in self._listeners if not one.removed]
        return list(self._listeners)

    @property
    def events(self) -> tuple[str, ...]:
        """All events that can be listened to: a fit's own, and those that were added."""
        return (*EVENTS, *self._own)

    @property
    def own(self) -> tuple[str, ...]:
        """The events that were added."""
        return tuple(self._own)

    def add_event(self, name: str) -> None:
        """Make `name` an event that can be listened to and fired.

        Raises:
            SettingError: there is one of that name, or it cannot be the name of a method.
        """
        if not name.isidentifier():
            raise SettingError(f"The name of an event is a Python name, got {name!r}.")
        if name in self.events:
            raise SettingError(f"There is an event {name!r} already.")
        self._own.append(name)

    def require(self, event: str) -> None:
        """Refuse an event that nobody has added.

        Raises:
            SettingError: those there are and the nearest are named.
        """
        if event not in self.events:
            raise SettingError(unknown_name("event", event, self.events))

    def require_own(self, event: str) -> None:
        """Refuse to fire what is the loop's to fire.

        Raises:
            SettingError: nobody has added that event.
        """
        self.require(event)
        if event in EVENTS:
            raise SettingError(f"The loop alone fires {event!r}; add_event makes one of your own.")

    def add(
        self,
        event: str,
        function: Function,
        chosen: Filter,
        *,
        loader: str | Sequence[str] | None = None,
        priority: int = 0,
    ) -> Listener:
        """Register a function; see `Model.on`."""
        self.require(event)
        listener = Listener(function, _events_of(event, loader), chosen, priority=priority)
        self._listeners.append(listener)
        return listener

    def remove(self, function: Function) -> None:
        """Take back every registration of `function`.

        Raises:
            SettingError: it does not listen.
        """
        found = [one for one in self.callbacks if one.function == function]
        if not found:
            raise SettingError(f"{function!r} listens to nothing here.")
        for one in found:
            one.removed = True


def _events_of(event: str, loader: str | Sequence[str] | None) -> list[str]:
    """The events that `event` means for these loaders."""
    if loader is None:
        return [event]
    loaders = [loader] if isinstance(loader, str) else list(loader)
    if wrong := [unknown_name("loader", one, _OF_LOADERS) for one in loaders if one not in _OF_LOADERS]:
        raise SettingError(wrong)
    if event not in _OF_LOADERS["train"]:
        raise SettingError(
            f"loader= is for batch_start and batch_end, which every loader has; {event!r} has one alone."
        )
    return [_OF_LOADERS[one][event] for one in loaders]
