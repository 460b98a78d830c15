"""scikit-learn's own checks of an estimator, with two exceptions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from gradfleet.sklearn import Classifier, Regressor


class Mlp(nn.Sequential):
    """A class, whose name stands in the checks' ids; a function would stand there with its address."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: int = 16) -> None:
        hidden = nn.Linear(math.prod(input_shape), width)
        super().__init__(nn.Flatten(), hidden, nn.Tanh(), nn.Linear(width, num_outputs))


SETTINGS: dict[str, Any] = {"epochs": 20, "batch_size": 16, "learning_rate": 0.02}
ESTIMATORS = [
    Classifier(Mlp, **SETTINGS),
    Classifier(Mlp, loss="binary_cross_entropy", **SETTINGS),
    Regressor(Mlp, **SETTINGS),
]


ROUNDED = (
    "A row must give the same to 1e-7 wherever it stands and however many stand beside it. That is less than a step of "
    "float32, whose sums are rounded in another order there, as the processor likes it. test_row_by_row.py holds it to "
    "1e-6."
)
EXCEPTED = {"check_methods_sample_order_invariance": ROUNDED, "check_methods_subset_invariance": ROUNDED}
"""What may fail, and why."""


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: EXCEPTED, xfail_strict=False)
def test_sklearns_own_checks_pass(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
