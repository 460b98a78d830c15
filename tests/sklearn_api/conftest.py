"""Flowers, and a network for them that other processes can import."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn

HERE = Path(__file__).parent


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Networks this small only get slower with more."""
    torch.set_num_threads(1)


@pytest.fixture
def mlp(monkeypatch: pytest.MonkeyPatch) -> Callable[..., nn.Module]:
    monkeypatch.syspath_prepend(HERE)
    builder: Callable[..., nn.Module] = import_module("small_networks").mlp
    return builder


@pytest.fixture(scope="session")
def flowers() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Four measures of 150 flowers in float64, and the three names that they have."""
    measures, numbers = load_iris(return_X_y=True)
    return measures, np.array(["setosa", "versicolor", "virginica"])[numbers]


@pytest.fixture(scope="session")
def frame(flowers: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> tuple[pandas.DataFrame, pandas.Series]:
    """The same as pandas has it."""
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return pandas.DataFrame(flowers[0], columns=names), pandas.Series(flowers[1], name="species")
