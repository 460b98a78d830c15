"""AutoSentimentClassifier: labels of many kinds, one polarity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotasks import AutoSentimentClassifier, sentiments
from autotasks.polarity import polarities
from gradfleet import AutoDataset, Bundle, autotask
from gradfleet.errors import DataError
from gradfleet.service.predictions import Loaded, predicted
from tests.autotasks.small_texts import films


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("-1", "0", "1"), [-1, 0, 1]),
        ((0, 1), [-1, 1]),
        ((1, 2, 3, 4, 5), [-1, -0.5, 0, 0.5, 1]),
        (("-1e-05", "0.0", "1e-05"), [-1, 0, 1]),
        (("1 star", "3 stars", "5 stars"), [-1, 0, 1]),
        (("★", "★★", "★★★"), [-1, 0, 1]),
        (("-2", "1", "2"), [-1, 0.5, 1]),
        (("False", "True"), [-1, 1]),
        (("NEG", "neutral", "Pos"), [-1, 0, 1]),
        (("Very Negative", "negative", "positive", "very_positive"), [-1, -0.5, 0.5, 1]),
    ],
)
def test_what_people_write_has_a_polarity(labels: tuple[Any, ...], expected: list[float]) -> None:
    assert list(polarities(labels).values()) == expected


def test_labels_that_say_no_polarity_are_refused_and_can_be_told() -> None:
    with pytest.raises(DataError, match=r"No polarity is known of the labels 'anger', 'joy'. Known are numbers, stars"):
        polarities(("anger", "joy"))
    assert polarities(("anger", "joy"), {"joy": 1, "anger": -0.5}) == {"anger": -0.5, "joy": 1.0}
    assert polarities(("0.5", "1.0"), {0.5: -1, 1: 1}) == {"0.5": -1.0, "1.0": 1.0}
    with pytest.raises(DataError) as refused:
        polarities(("anger", "joy"), {"joy": 3})
    assert list(refused.value.problems) == [
        "polarities= says nothing of the label 'anger'.",
        "A polarity is from -1 to 1, got 3 for 'joy'.",
    ]
    with pytest.raises(DataError) as refused:
        polarities(("anger", "joy"), {"joy": "much", "anger": -1, "fear": 0})
    assert list(refused.value.problems) == [
        "polarities= speaks of 'fear', which is no label here.",
        "A polarity is from -1 to 1, got much for 'joy'.",
    ]


def test_a_file_of_stars_gives_labels_and_scores_and_macro_f1(tmp_path: Path) -> None:
    table = films(200)
    table["stars"] = table.pop("label").map({"good": 5.0, "bad": 1.0})
    table.to_csv(tmp_path / "stars.csv", index=False)
    sentiment = autotask("sentiment-analysis", tmp_path / "stars.csv", target="stars")
    assert isinstance(sentiment, AutoSentimentClassifier)
    sentiment.fit(trials=2, epochs=3, cluster="inline", store=tmp_path / "g.db", progress=False)
    good, bad = sentiment.predict(["The cast is lovely", "The plot is dull"])
    assert (good.label, bad.label) == (5, 1)
    assert -1 <= bad.score < -0.3 < 0.3 < good.score <= 1
    assert sentiment.study.row.objective.metric == "val_f1"
    assert sentiment.evaluate(tmp_path / "stars.csv")["f1"] > 0.9
    sentiment.export(tmp_path / "exported")
    found = sentiments(Bundle.load(tmp_path / "exported"), ["The cast is lovely", "The plot is dull"])
    assert [one.label for one in found] == [5, 1]
    assert [one.score for one in found] == pytest.approx([good.score, bad.score], abs=1e-5)
    said = sentiment.study.best.predictions(["The cast is lovely"])
    assert said == [{"item": "The cast is lovely", "label": 5, "score": pytest.approx(good.score)}]
    loaded = Loaded(sentiment.study.best.model(), sentiment.study.spec["facts"])
    (served,) = predicted(loaded, ["The cast is lovely"], proba=False)
    assert (served.prediction, served.probabilities, served.score) == (5, None, pytest.approx(good.score))


def test_scores_that_were_told_go_with_the_model(tmp_path: Path) -> None:
    table = films(80).replace({"label": {"good": "joy", "bad": "anger"}})
    sentiment = AutoSentimentClassifier(table, polarities={"joy": 0.5, "anger": -1.0})
    sentiment.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    (joy,) = sentiment.predict(["The cast is lovely"])
    (likely,) = sentiment.predict_proba(["The cast is lovely"])
    assert joy.score == pytest.approx(float(likely @ [-1.0, 0.5]), abs=1e-6)
    ensemble = sentiment.ensemble(size=1).model
    (likely,) = ensemble.predict_proba(["The cast is lovely"])
    assert ensemble.scores(["The cast is lovely"]) == pytest.approx([float(likely @ [-1.0, 0.5])], abs=1e-6)


def test_classes_without_scores_have_none() -> None:
    data = AutoDataset(([[0.0], [1.0]] * 4, ["low", "high"] * 4))
    with pytest.raises(DataError, match="Scores are of the classes high, low, got some of low, middle"):
        data.scored({"low": 0.0, "middle": 1.0})
    for score in (float("nan"), "much"):
        with pytest.raises(DataError, match=f"A score is a finite number, got {score!r}"):
            data.scored({"low": 0.0, "high": score})
    with pytest.raises(DataError, match="Scores are of classes, and this data is regression"):
        AutoDataset(([[0.0], [1.0]] * 4, [0.5, 1.5] * 4)).scored({"0.5": 0.0})
    assert data.scored({"low": 0.0, "high": 1.0}).open().facts.label_scores == (1.0, 0.0)
    numbered = AutoDataset(([[0.0], [1.0]] * 4, [0, 1] * 4)).scored({0: -1, 1: 1})
    assert [fold.open().facts.label_scores for fold in numbered.folds(2)] == [(-1.0, 1.0)] * 2
    with pytest.raises(DataError, match="The classes of this data have no scores; AutoDataset.scored gives them some"):
        data.open().facts.mean_score(np.ones((1, 2)))


def test_several_labels_a_text_have_no_sentiment() -> None:
    table = films(40).assign(a=[0, 1] * 20, b=[1, 1] * 20)
    with pytest.raises(DataError):
        AutoSentimentClassifier(table, target=["a", "b"])


def test_half_stars_are_classes_that_come_back_as_they_were(tmp_path: Path) -> None:
    table = films(160)
    table["stars"] = [4.5 if label == "good" else 1.5 for label in table.pop("label")]
    table.loc[:20, "stars"] = [5.0 if stars == 4.5 else 1.0 for stars in table.loc[:20, "stars"]]
    table.to_csv(tmp_path / "stars.csv", index=False)
    sentiment = AutoSentimentClassifier(tmp_path / "stars.csv", target="stars")
    assert (sentiment.data.kind, sentiment.data.labels) == ("multiclass", ("1.0", "1.5", "4.5", "5.0"))
    assert sentiment.polarities == {"1.0": -1.0, "1.5": -0.75, "4.5": 0.75, "5.0": 1.0}
    sentiment.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    good, bad = sentiment.predict(["The cast is lovely", "The plot is dull"])
    assert (good.label, bad.label) == (4.5, 1.5)
    held_out = films(40)
    held_out["stars"] = [5 if label == "good" else 1 for label in held_out.pop("label")]  # whole ones are on the scale
    table["stars"] = [5.0 if stars > 3 else 1.0 for stars in table["stars"]]
    assert sentiment.evaluate(held_out)["accuracy"] == sentiment.evaluate(table[:40])["accuracy"]
    with pytest.raises(DataError, match=r"it never saw '3\.0'"):
        sentiment.evaluate(held_out.assign(stars=3))


def test_amounts_without_end_are_no_scale() -> None:
    table = films(80)
    with pytest.raises(DataError, match=r"A scale has at most 101 numbers, and these are \d+: .*Round them, such as"):
        AutoSentimentClassifier(films(400).assign(label=[number / 199 for number in range(200)] * 2))
    with pytest.raises(DataError, match="A scale is one number a row"):
        AutoSentimentClassifier(table.assign(a=[0.5, 1.5] * 40, b=[1.5, 2.5] * 40), target=["a", "b"])
    tenths = AutoSentimentClassifier(films(210).assign(label=[number / 10 - 1 for number in range(21)] * 10))
    assert (len(tenths.polarities), tenths.polarities["-1.0"], tenths.polarities["0.0"]) == (21, -1.0, 0.0)
