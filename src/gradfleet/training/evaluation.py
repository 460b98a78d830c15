"""What `evaluate` gives: metrics that read as a plain dict, with tables under `details`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradfleet.errors import SettingError
from gradfleet.training.evaluation_plots import draw
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.metrics.predictions import Predictions

if TYPE_CHECKING:
    import pandas

Array = npt.NDArray[Any]


class Evaluation(dict[str, float]):
    """Metrics by their plain names; for classification `accuracy` is always one of them.

    Args:
        details: tables; without, those of the predictions.
        predictions: what the metrics were computed from; without there are no pictures.
        labels: class names in class-number order; class numbers stand where there are none.

    Attributes:
        notes: what is to be known of the rows, a sentence each, such as how many of them the model was trained on.

    Example:
        >>> Evaluation({"accuracy": 0.97, "loss": 0.11})["accuracy"]
        0.97
    """

    def __init__(
        self,
        metrics: Mapping[str, float],
        details: Mapping[str, pandas.DataFrame] | None = None,
        *,
        predictions: Predictions | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(metrics)
        self._details = details
        self._predictions = predictions
        self._labels = labels
        self.notes: tuple[str, ...] = ()

    @cached_property
    def details(self) -> dict[str, pandas.DataFrame]:
        """Tables, made when they are looked at.

        "confusion" has a row for each true class and a column for each predicted one (binary and multiclass); "classes"
        or "labels" has precision, recall, f1 and the number of rows of each.
        """
        if self._details is not None:
            return dict(self._details)
        if self._predictions is None or not _is_hard_classification(self._predictions):
            return {}
        return _tables(self._predictions, self._labels)

    def plot(self, path: Path | str) -> Path:
        """Write the picture that the kind of problem asks for; a PNG, or what the name ends with.

        The confusion matrix of classes, with the ROC curve beside it of a yes or no; precision, recall and f1 of each
        of several labels; of amounts what was predicted over what is true.

        Raises:
            SettingError: matplotlib is not installed, or there is no such picture.
        """
        if self._predictions is None:
            raise SettingError("There is no picture of an evaluation whose step gave no outputs and targets.")
        return draw(self._predictions, self.details, path)


def evaluate(meter: Meter, labels: Sequence[str] | None = None) -> Evaluation:
    """The evaluation of a pass that kept its predictions.

    Args:
        labels: class names in class-number order; class numbers stand where there are none.
    """
    numbers = meter.numbers()
    predictions = meter.predictions()
    if predictions is not None and _is_hard_classification(predictions):
        true, predicted = _classes(predictions)
        numbers.setdefault("accuracy", float(np.mean(true == predicted)))
    return Evaluation(numbers, predictions=predictions, labels=labels)


def _is_hard_classification(predictions: Predictions) -> bool:
    """Whether each row has class numbers, or yes and no, for targets."""
    if predictions.kind == "multiclass":
        return not predictions.targets.is_floating_point() and predictions.targets.dim() == 1
    return predictions.kind in ("binary", "multilabel")


def _classes(predictions: Predictions) -> tuple[Array, Array]:
    """True and predicted class numbers, or yes and no of each label."""
    return predictions.targets.long().cpu().numpy(), predictions.classes.cpu().numpy()


def _tables(predictions: Predictions, labels: Sequence[str] | None) -> dict[str, pandas.DataFrame]:
    import pandas
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # two seconds

    true, predicted = _classes(predictions)
    several = predictions.kind == "multilabel"
    names = _names(predictions, labels)
    scores = precision_recall_fscore_support(true, predicted, labels=range(len(names)), zero_division=0.0)
    columns = dict(zip(("precision", "recall", "f1", "rows"), scores, strict=True))
    tables = {"labels" if several else "classes": pandas.DataFrame(columns, index=pandas.Index(names))}
    if not several:
        counts = confusion_matrix(true, predicted, labels=range(len(names)))
        index, header = pandas.Index(names, name="true"), pandas.Index(names, name="predicted")
        tables["confusion"] = pandas.DataFrame(counts, index=index, columns=header)
    return tables


def _names(predictions: Predictions, labels: Sequence[str] | None) -> list[str]:
    count = 2 if predictions.kind == "binary" else predictions.num_outputs
    return list(labels) if labels and len(labels) == count else [str(number) for number in range(count)]
