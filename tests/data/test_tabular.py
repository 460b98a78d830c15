from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import nn

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.tabular import Impute, Log, OneHot, Ordinal, Standardize, TablePreparation
from gradfleet.errors import DataError
from gradfleet.training.model import Model
from gradfleet.trials.predictor import ModelPredictor

FRAME = pandas.DataFrame(
    {
        "age": [20.0, 30.0, None, 50.0] * 10,
        "city": ["Rome", "Oslo", "Rome", None] * 10,
        "member": [True, False] * 20,
        "label": [f"class {'b' if n % 2 else 'a'}" for n in range(40)],
    }
)
USUAL = {"city": [Impute("constant", "missing"), Ordinal()]}


def test_numbers_and_categories_stand_side_by_side() -> None:
    opened = AutoDataset(FRAME, validation=FRAME).open()
    assert opened.facts.input_shape == (5,)
    expected = FRAME["age"].fillna(30.0)
    np.testing.assert_allclose(
        opened.train.inputs[:, 0], (expected - expected.mean()) / expected.std(ddof=0), rtol=1e-5
    )
    cities = opened.train.inputs[:4, 1:4]
    assert cities.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert opened.facts.statistics["mean"][0] == pytest.approx(0, abs=1e-6)


@pytest.mark.row("DA3")
def test_encoders_learn_from_training_rows_alone() -> None:
    outlier = FRAME.assign(age=1e9, city="Atlantis")
    plain, other = (AutoDataset(FRAME, validation=one).open() for one in (FRAME, outlier))
    assert plain.facts.preparation == other.facts.preparation
    assert torch.equal(plain.train.inputs, other.train.inputs)
    assert (other.validation.inputs[:, 1:4] == 0).all()


@pytest.mark.row("DA3")
def test_encoders_are_fitted_anew_in_every_fold() -> None:
    amounts = np.arange(40.0) ** 2
    data = AutoDataset(FRAME.assign(age=amounts))
    means = set()
    for fold in data.folds(4):
        opened = fold.open()
        settings = preparation_from_json(opened.facts.preparation).to_json()
        means.add(settings["columns"][0][2][1]["mean"])
        raw = opened.train.inputs[:, 0].double()
        assert raw.mean().item() == pytest.approx(0, abs=1e-5)
        assert raw.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert len(means) == 4


@pytest.mark.row("DA3")
def test_tokenizers_are_fitted_anew_in_every_fold() -> None:
    table = {
        "text": [f"{'abcdefgh'[n % 8] * 3}{n} {'abcdefgh'[n % 8] * 3}{n}" for n in range(40)],
        "label": [0, 1] * 20,
    }
    contents = [fold.open().facts.preparation["tokenizers"][0][1]["content"] for fold in AutoDataset(table).folds(2)]
    assert contents[0] != contents[1]


@pytest.mark.row("DA4")
def test_chains_are_chosen_by_column_and_by_type_and_stored() -> None:
    preparation = TablePreparation(
        {
            "age": [Impute("mean"), Log()],
            "number": [Standardize()],
            "category": [Impute("most_frequent"), OneHot(most=1)],
        }
    )
    fitted = preparation.fit(FRAME[["age", "city", "member"]])
    again = preparation_from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == TablePreparation.from_json(fitted.to_json())
    rows = again.apply_frame(FRAME)
    assert torch.equal(torch.from_numpy(rows), torch.from_numpy(fitted.apply_frame(FRAME)))
    assert rows.shape == (40, 3)
    assert rows[2, 0] == pytest.approx(np.log1p(100 / 3))
    assert rows[:4, 1].tolist() == [1, 0, 1, 1]
    assert set(rows[:, 2].tolist()) == {-1.0, 1.0}


def test_an_unknown_category_has_a_place_of_its_own() -> None:
    fitted = TablePreparation(USUAL).fit(FRAME[["age", "city"]])
    assert [fitted.apply({"age": 1, "city": city})[1].item() for city in ("Oslo", "Rome", None, "Paris")] == [
        1,
        2,
        3,
        0,
    ]


def predictor(data: AutoDataset) -> ModelPredictor:
    opened = data.open()
    model = Model(nn.Linear(opened.facts.input_shape[0], opened.facts.num_outputs)).compile()
    model.fit(opened, epochs=1)
    return ModelPredictor(model, opened.facts)


@pytest.mark.row("DA4")
@pytest.mark.parametrize(
    "labels",
    [["class a", "class b"], [3, 7], [10, 2], [True, False], ["7", "3"]],
    ids=["str", "int", "order", "bool", "digits"],
)
def test_predictions_are_the_labels_of_the_data(labels: list[Any]) -> None:
    found = predictor(AutoDataset(FRAME.assign(label=labels * 20), target="label")).predict(FRAME)
    assert set(found) <= set(labels)
    assert {type(one) for one in found} == {type(labels[0])}


@pytest.mark.row("DA6")
def test_a_missing_column_or_another_type_is_refused_by_name_all_at_once() -> None:
    model = predictor(AutoDataset(FRAME))
    with pytest.raises(DataError) as caught:
        model.predict(FRAME.drop(columns=["city"]).assign(age=["20", "old"] * 20))
    assert caught.value.problems == (
        "The column 'age' holds numbers in training, got 'old' in row 1 (the first is 0).",
        "The model learned from the column 'city', which is missing here; the columns are 'age', 'member', 'label'.",
    )
    with pytest.raises(DataError, match="the column 'city', which is missing"):
        model.predict([{"age": 3.0, "member": True}])
    with pytest.raises(DataError, match=r"'age' needs finite numbers, got infinity in row 0"):
        model.predict([{"age": float("inf"), "city": "Rome", "member": True}])


@pytest.mark.row("DA6")
def test_plain_numbers_and_texts_are_refused_by_name_too() -> None:
    numbers = predictor(AutoDataset({"x": np.arange(40.0), "y": np.arange(40.0), "label": [0, 1] * 20}))
    assert len(numbers.predict({"x": [1.0], "y": [2.0], "other": ["z"]})) == 1
    for table, message in (
        ({"x": [1.0]}, "the column 'y', which is missing here; the columns are 'x'"),
        ({"x": ["a"], "y": [1.0]}, "The column 'x' holds numbers in training, got 'a' in row 0"),
        ({"x": [None], "y": [1.0]}, "'x' has nothing in row 0"),
    ):
        with pytest.raises(DataError, match=message):
            numbers.predict(table)
    with pytest.raises(DataError, match=r"the shape \(rows, 2\) as in training, got \(1, 3\)"):
        numbers.predict([[1.0, 2.0, 3.0]])


def test_an_array_of_rows_may_be_predicted_where_numbers_were_learned() -> None:
    data = AutoDataset({"x": np.arange(40.0), "y": np.arange(40.0), "label": [0, 1] * 20})
    assert len(predictor(data).predict([[1.0, 2.0], [3.0, 4.0]])) == 2


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ({"town": [OneHot()]}, "Encoders are given for 'town', which is no input column"),
        (
            {"city": [Impute()]},
            r"The encoders of 'city' need to end with numbers: end them with OneHot\(\)",
        ),
        ({"age": [Standardize()]}, r"The column 'age' has nothing in row 2 .* begin its encoders with Impute\(\)"),
    ],
)
def test_chains_that_cannot_be_are_refused(encoders: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset(FRAME, preparation=TablePreparation(encoders)).open()
