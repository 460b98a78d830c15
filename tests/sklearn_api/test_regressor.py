from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradfleet.errors import DataError, SettingError
from gradfleet.sklearn import Regressor

Make = Callable[..., nn.Module]
QUICK: dict[str, Any] = {"epochs": 30, "learning_rate": 0.02, "batch_size": 16}


@pytest.fixture(scope="module")
def rows() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(80, 3))


@pytest.mark.parametrize("columns", [None, 1, 2])
def test_predictions_have_the_shape_of_y(columns: int | None, mlp: Make, rows: np.ndarray[Any, Any]) -> None:
    amounts = rows[:, 0] if columns is None else rows[:, :columns]

    regressor = Regressor(mlp, **QUICK).fit(rows, amounts)

    assert regressor.predict(rows).shape == amounts.shape
    assert regressor.predict(rows).dtype == np.float64
    assert regressor.score(rows, amounts) > 0.9


def test_tensors_of_any_type_are_taken(mlp: Make, rows: np.ndarray[Any, Any]) -> None:
    inputs, amounts = torch.tensor(rows), torch.tensor(rows[:, 0], requires_grad=True)
    expected = Regressor(mlp, **QUICK).fit(rows, rows[:, 0]).predict(rows)

    assert (Regressor(mlp, **QUICK).fit(inputs, amounts).predict(inputs) == expected).all()
    assert Regressor(mlp, **QUICK).fit(inputs.bfloat16(), amounts.bfloat16()).predict(inputs.half()).shape == (80,)
    assert Regressor(mlp, **QUICK).fit((inputs * 10).int(), amounts).predict((rows * 10).astype(int)).shape == (80,)


def test_a_partial_fit_goes_on_with_the_network(mlp: Make, rows: np.ndarray[Any, Any]) -> None:
    regressor = Regressor(mlp, **{**QUICK, "epochs": 2})
    regressor.partial_fit(rows, rows[:, 0]).partial_fit(rows, rows[:, 0])

    assert [record.epoch for record in regressor.history_] == [1, 2]
    assert (
        regressor.predict(rows) == Regressor(mlp, **{**QUICK, "epochs": 2}).fit(rows, rows[:, 0]).predict(rows)
    ).all()
    with pytest.raises(DataError, match=r"y needs the shape \(rows,\), got \(80, 2\)"):
        regressor.partial_fit(rows, rows[:, :2])


def test_a_held_out_part_is_measured(mlp: Make, rows: np.ndarray[Any, Any]) -> None:
    regressor = Regressor(mlp, validation_fraction=0.25, metrics=["r2"], **QUICK).fit(rows, rows[:, 0])

    assert regressor.history_[-1]["val_r2"] > 0.8


def test_a_loss_for_classes_is_refused(mlp: Make, rows: np.ndarray[Any, Any]) -> None:
    with pytest.raises(
        SettingError, match="The loss 'cross_entropy' is for multiclass problems, and this is a regressi"
    ):
        Regressor(mlp, loss="cross_entropy").fit(rows, rows[:, 0])


def test_numbers_that_float32_cannot_hold_are_refused(mlp: Make, rows: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="Input X contains infinity or a value too large for dtype\\('float32'\\)"):
        Regressor(mlp).fit(rows * 1e300, rows[:, 0])
    with pytest.raises(DataError, match="y has values that are too large for float32"):
        Regressor(mlp).fit(rows, rows[:, 0] * 1e300)
