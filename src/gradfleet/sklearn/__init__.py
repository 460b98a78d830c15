"""Networks as scikit-learn estimators, for pipelines, grids and cross-validation."""

from __future__ import annotations

from gradfleet.sklearn.classifier import Classifier
from gradfleet.sklearn.regressor import Regressor

__all__ = ["Classifier", "Regressor"]
