"""Presets: a data path in, a tuned model out. Built on gradfleet's public names alone."""

from __future__ import annotations

from autotasks.image_classification import AutoImageClassifier
from autotasks.task import AutoTask

__all__ = ["AutoImageClassifier", "AutoTask"]
