"""A row gives the same wherever it stands, to a few steps of float32: sums are rounded in another order there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from gradfleet.sklearn import Classifier, Regressor

Make = Callable[..., nn.Module]
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 16, "learning_rate": 0.02}


@pytest.fixture
def rows() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(80, 3)).astype("float32")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_rows_one_by_one_and_in_another_order_predict_what_all_at_once_do(
    kind: type[Classifier] | type[Regressor], seed: int, mlp: Make, rows: np.ndarray[Any, Any]
) -> None:
    estimator = kind(mlp, seed=seed, **QUICK)
    estimator.fit(rows, rows[:, 0] if kind is Regressor else np.arange(80) % 3)
    predict = getattr(estimator, "predict_proba", estimator.predict)
    together = pytest.approx(predict(rows), rel=1e-6, abs=1e-6)
    order = np.random.default_rng(1).permutation(80)

    assert np.concatenate([predict(row[None]) for row in rows]) == together
    assert predict(rows[order])[np.argsort(order)] == together
