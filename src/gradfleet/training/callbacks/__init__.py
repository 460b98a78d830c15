"""What acts on a fit from outside its loop."""

from __future__ import annotations

from collections.abc import Mapping

from gradfleet.training.callbacks.batch_history import BatchHistory
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.callbacks.checkpoint import Checkpoint
from gradfleet.training.callbacks.csv_tracker import CSVTracker
from gradfleet.training.callbacks.cutmix import CutMix
from gradfleet.training.callbacks.early_stopping import EarlyStopping
from gradfleet.training.callbacks.ema import EMA
from gradfleet.training.callbacks.label_smoothing import LabelSmoothing
from gradfleet.training.callbacks.learning_rate_monitor import LearningRateMonitor
from gradfleet.training.callbacks.loss_statistics import LossStatistics
from gradfleet.training.callbacks.mixup import MixUp
from gradfleet.training.callbacks.penalties import L1, L2
from gradfleet.training.callbacks.profile import Profile
from gradfleet.training.callbacks.progress import Progress
from gradfleet.training.callbacks.stop_on_nan import StopOnNaN
from gradfleet.training.callbacks.swa import SWA
from gradfleet.training.callbacks.time_limit import TimeLimit
from gradfleet.training.callbacks.tracker import Run, Tracker
from gradfleet.training.callbacks.trackers import AccelerateTracker

CALLBACKS: Mapping[str, type[Callback]] = {
    "batch_history": BatchHistory,
    "checkpoint": Checkpoint,
    "csv_tracker": CSVTracker,
    "cutmix": CutMix,
    "early_stopping": EarlyStopping,
    "ema": EMA,
    "l1": L1,
    "l2": L2,
    "label_smoothing": LabelSmoothing,
    "learning_rate_monitor": LearningRateMonitor,
    "loss_statistics": LossStatistics,
    "mixup": MixUp,
    "profile": Profile,
    "progress": Progress,
    "stop_on_nan": StopOnNaN,
    "swa": SWA,
    "time_limit": TimeLimit,
    "tracker": AccelerateTracker,
}

__all__ = [
    "CALLBACKS",
    "EMA",
    "L1",
    "L2",
    "SWA",
    "AccelerateTracker",
    "BatchHistory",
    "CSVTracker",
    "Callback",
    "Checkpoint",
    "CutMix",
    "EarlyStopping",
    "LabelSmoothing",
    "LearningRateMonitor",
    "LossStatistics",
    "MixUp",
    "Profile",
    "Progress",
    "Run",
    "StopOnNaN",
    "TimeLimit",
    "Tracker",
]
