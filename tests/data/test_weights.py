from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.loaders import make_batches
from gradfleet.errors import DataError

ROWS = 200
X = np.arange(ROWS, dtype=np.float32)[:, None]
RARE = np.array(["rare"] * 20 + ["usual"] * 180)


def drawn(data: AutoDataset, epochs: int = 30) -> Counter[float]:
    """How often each training row's first number comes in the shuffled batches."""
    examples = data.open().train
    batches = make_batches(examples, batch_size=16, shuffle=True, seed=0)
    found: Counter[float] = Counter()
    for number in range(epochs):
        for inputs, _ in batches.epoch(number):
            found.update(inputs[:, 0].tolist())
    return found


@pytest.mark.row("DA8")
def test_rows_are_drawn_as_often_as_their_weight_says() -> None:
    weights = np.where(X[:, 0] % 4 == 0, 3.0, 1.0)
    weights[X[:, 0] % 4 == 1] = 0.0
    found = drawn(AutoDataset((X, RARE), validation=(X, RARE), weight=weights))
    heavy = sum(count for row, count in found.items() if row % 4 == 0)
    light = sum(count for row, count in found.items() if row % 4 in (2, 3))
    assert sum(found.values()) == 30 * ROWS
    assert not any(row % 4 == 1 for row in found)
    assert heavy / light == pytest.approx(3 / 2, rel=0.1)


@pytest.mark.row("DA8")
def test_balanced_classes_are_drawn_alike_often() -> None:
    plain = drawn(AutoDataset((X, RARE), validation=(X, RARE)))
    assert set(plain.values()) == {30}
    found = drawn(AutoDataset((X, RARE), validation=(X, RARE), balance=True))
    assert sum(count for row, count in found.items() if row < 20) / sum(found.values()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.row("DA8")
def test_a_column_of_a_table_may_be_the_weight() -> None:
    table = {"x": X[:, 0], "label": RARE, "importance": np.where(X[:, 0] < 100, 1.0, 0.0)}
    data = AutoDataset(table, weight="importance", validation=table)
    assert "'importance' is the weight" in data.notes[0]
    assert max(drawn(data)) < 100


def test_validation_is_never_weighted() -> None:
    examples = AutoDataset((X, RARE), balance=True).open().validation
    assert examples.weights is None
    seen = [inputs for inputs, _ in make_batches(examples, batch_size=16, shuffle=False, seed=0).epoch(0)]
    assert sum(map(len, seen)) == len(examples)


def test_weights_follow_their_rows_through_split_and_skipping() -> None:
    inputs = X.copy()
    inputs[3] = np.nan
    data = AutoDataset((inputs, RARE), weight=X[:, 0] + 1, on_bad_rows="skip")
    train = data.open().train
    expected = train.inputs[:, 0].double() + 1
    np.testing.assert_allclose(train.weights, expected * (len(expected) / expected.sum()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": [1.0] * 3}, r"weight= needs a value for each of the 200 training rows, got 3"),
        ({"weight": [-1.0] * ROWS}, r"finite, not negative and not all 0, got -1\.0"),
        ({"weight": [0.0] * ROWS}, r"not all 0, got 0\.0"),
    ],
)
def test_weights_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset((X, RARE), **options).open()


def test_only_classes_can_be_balanced() -> None:
    with pytest.raises(DataError, match="a regression problem has no classes"):
        AutoDataset((X, X[:, 0]), balance=True).open()
