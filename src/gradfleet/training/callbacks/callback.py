"""The base of every callback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradfleet.training.context import Context


class Callback:
    """Override `on_<event>` for the events to listen to; those that are left alone cost nothing.

    Attributes:
        priority: callbacks with a lower one are called first. Ready-made ones: those that change the training at 0,
            StopOnNaN 40, EarlyStopping 50, TimeLimit 60, Checkpoint 80, trackers 85, Progress 90.
        writes: whether it writes files or prints; then a dry run leaves it out, and so does every process but the
            first of several.
        may_log: whether it may put numbers of its own into the record, under names that nobody knows before. Then a
            monitor that nobody else brings is looked for in the first record, else it is refused before the first
            batch.

    Example:
        >>> class PrintLoss(Callback):
        ...     def on_epoch_end(self, context):
        ...         print(context.record["train_loss"])
    """

    priority: int = 0
    writes: bool = False
    may_log: bool = True

    def state(self) -> Mapping[str, Any]:
        """What a resumed fit needs: numbers, strings, tensors, and lists and dicts of them."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; called before `fit_start` of a resumed fit."""

    def on_fit_start(self, context: Context) -> None: ...

    def on_epoch_start(self, context: Context) -> None: ...

    def on_batch_start(self, context: Context) -> None: ...

    def on_forward_end(self, context: Context) -> None: ...

    def on_loss_end(self, context: Context) -> None: ...

    def on_backward_end(self, context: Context) -> None: ...

    def on_step_end(self, context: Context) -> None: ...

    def on_batch_end(self, context: Context) -> None: ...

    def on_train_end(self, context: Context) -> None: ...

    def on_validation_start(self, context: Context) -> None: ...

    def on_validation_batch_start(self, context: Context) -> None: ...

    def on_validation_batch_end(self, context: Context) -> None: ...

    def on_validation_end(self, context: Context) -> None: ...

    def on_epoch_end(self, context: Context) -> None: ...

    def on_exception(self, context: Context) -> None: ...

    def on_fit_end(self, context: Context) -> None: ...
