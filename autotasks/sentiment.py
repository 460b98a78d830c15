"""Sentiment of texts: how good or bad they find what they speak of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from autotasks.polarity import polarities as read_polarities
from autotasks.text_classification import AutoTextClassifier
from gradfleet import AutoDataset, Objective
from gradfleet.errors import DataError
from gradfleet.tasks import Answering


class Sentiment(NamedTuple):
    """What is thought of a text.

    Attributes:
        label: the most likely one, as it is in the data.
        score: from -1, bad, to 1, good: the labels' polarities, each as much as its label is likely.
    """

    label: Any
    score: float


class AutoSentimentClassifier(AutoTextClassifier):
    """Learns how good or bad texts find what they speak of.

    Labels are numbers (-1, 0, 1, or some between), stars (1 to 5, also halves), booleans or words (positive, neutral,
    negative), which all have a polarity from -1 to 1. The search is that of AutoTextClassifier; macro-F1 decides, which
    counts rare labels as much as frequent ones.

    Args:
        polarities: of each label, for labels of other names.
        Everything else is as for AutoTextClassifier.

    Raises:
        DataError: a label without a polarity that could be known.

    Example:
        >>> sentiment = AutoSentimentClassifier("reviews.csv").fit(budget="10m")  # doctest: +SKIP
        >>> sentiment.predict(["a lovely film"])  # doctest: +SKIP
        [Sentiment(label='pos', score=0.94)]
    """

    task = "sentiment-analysis"
    portfolio_of = "text-classification"
    objective: ClassVar[Objective] = Objective("val_f1", "max")

    def __init__(
        self,
        data: Any,
        *,
        polarities: Mapping[Any, float] | None = None,
        backbones: Sequence[str | Path] = (),
        seed: int = 0,
        on_bad_rows: str = "raise",
        inputs: str | None = None,
        target: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(data, backbones=backbones, seed=seed, on_bad_rows=on_bad_rows, inputs=inputs, target=target)
        self.polarities = read_polarities(_labels(self.data), polarities)
        """Of each label, in the order of class numbers."""
        self.data = self.data.scored(self.polarities)

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        return {**super().reading(backbones), "kind": "ordinal"}  # stars may be halves, and whole ones floats

    def predict(self, items: Any) -> list[Sentiment]:
        """The sentiment of each text."""
        model: Any = self.study.best.model()  # of this task's recipe, or a bundle from a service
        return sentiments(model, items)


def sentiments(model: Answering, items: Any) -> list[Sentiment]:
    """The sentiment of each text by a model that AutoSentimentClassifier has trained, such as an exported one.

    The network runs once over the texts.

    Raises:
        DataError: a text cannot be read, or the model learned something else.

    Example:
        >>> sentiments(Bundle.load("reviews-model"), ["a lovely film"])  # doctest: +SKIP
        [Sentiment(label='pos', score=0.94)]
    """
    said = model.answers(items)
    return [Sentiment(label, score) for label, score in zip(said.labels, said.scores.tolist(), strict=True)]


def _labels(data: AutoDataset) -> tuple[Any, ...]:
    if data.kind != "multiclass":
        raise DataError(f"Sentiment has one label a text, and this data is {data.kind}.")
    return tuple(range(data.open().facts.num_outputs)) if data.labels is None else data.labels
