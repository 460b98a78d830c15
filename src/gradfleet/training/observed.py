"""The part of Model that others listen to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from gradfleet.training.context import Context
from gradfleet.training.listening.listener import Filter, Function
from gradfleet.training.listening.listeners import Handle, Listeners

if TYPE_CHECKING:
    from gradfleet.training.loop import Loop

_F = TypeVar("_F", bound=Function)


class Observed:
    """Functions as listeners, and events of the user's own; see Model."""

    listeners: Listeners
    _loop: Loop | None

    @overload
    def on(
        self,
        event: str,
        function: Function,
        *,
        every: int | None = None,
        once: bool = False,
        at: Collection[int] | None = None,
        after: int | None = None,
        before: int | None = None,
        when: Callable[[Context], bool] | None = None,
        loader: str | Sequence[str] | None = None,
        priority: int = 0,
    ) -> Handle: ...
    @overload
    def on(
        self,
        event: str,
        *,
        every: int | None = None,
        once: bool = False,
        at: Collection[int] | None = None,
        after: int | None = None,
        before: int | None = None,
        when: Callable[[Context], bool] | None = None,
        loader: str | Sequence[str] | None = None,
        priority: int = 0,
    ) -> Callable[[_F], _F]: ...
    def on(
        self,
        event: str,
        function: Function | None = None,
        *,
        every: int | None = None,
        once: bool = False,
        at: Collection[int] | None = None,
        after: int | None = None,
        before: int | None = None,
        when: Callable[[Context], bool] | None = None,
        loader: str | Sequence[str] | None = None,
        priority: int = 0,
    ) -> Handle | Callable[[_F], _F]:
        """Let a function of the Context listen to an event of every fit of this model.

        Without `function` it is a decorator, which gives the function back; `off` takes it back. Registered in the
        middle of a fit it listens from the next event on.

        Args:
            every, once, at, after, before, when: at which times; see `listener.Filter`.
            loader: for batch_start and batch_end: "train" (as without), "validation" or both, each counted on its own.
            priority: as callbacks have it.

        Example:
            >>> import torch
            >>> from gradfleet.training.model import Model
            >>> model = Model(torch.nn.Linear(2, 1)).compile("mse")
            >>> @model.on("epoch_end", every=2)
            ... def show(context):
            ...     print("epoch", context.epoch)
            >>> history = model.fit((torch.ones(8, 2), torch.ones(8, 1)), epochs=5)
            epoch 2
            epoch 4

        Raises:
            SettingError: there is no such event, or a filter cannot be.
        """
        chosen = Filter(every=every, once=once, at=at, after=after, before=before, when=when)

        def register(function: Function) -> Handle:
            listener = self.listeners.add(event, function, chosen, loader=loader, priority=priority)
            if self._loop is not None:
                self._loop.listen(listener)
            return Handle(listener)

        if function is not None:
            return register(function)

        def decorate(function: _F) -> _F:
            register(function)
            return function

        self.listeners.require(event)
        return decorate

    def off(self, function: Function) -> None:
        """Let `function` listen no more; also in the middle of a fit.

        Raises:
            SettingError: it does not listen.
        """
        self.listeners.remove(function)

    def add_event(self, name: str) -> None:
        """Make an event of your own, for `on` and for callbacks that have a method `on_<name>`.

        Raises:
            SettingError: there is one of that name.
        """
        self.listeners.add_event(name)

    def fire(self, event: str) -> None:
        """Tell those who listen to an event of your own, from a step or a callback. Outside a fit nobody listens.

        Raises:
            SettingError: there is no such event, or it is the loop's to fire.
        """
        self.listeners.require_own(event)
        if self._loop is not None:
            self._loop.fire(event)
