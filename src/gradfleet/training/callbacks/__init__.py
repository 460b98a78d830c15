"""What acts on a fit from outside its loop."""

from __future__ import annotations

from collections.abc import Mapping

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.callbacks.checkpoint import Checkpoint
from gradfleet.training.callbacks.early_stopping import EarlyStopping
from gradfleet.training.callbacks.progress import Progress
from gradfleet.training.callbacks.stop_on_nan import StopOnNaN
from gradfleet.training.callbacks.time_limit import TimeLimit

CALLBACKS: Mapping[str, type[Callback]] = {
    "checkpoint": Checkpoint,
    "early_stopping": EarlyStopping,
    "progress": Progress,
    "stop_on_nan": StopOnNaN,
    "time_limit": TimeLimit,
}

__all__ = ["CALLBACKS", "Callback", "Checkpoint", "EarlyStopping", "Progress", "StopOnNaN", "TimeLimit"]
