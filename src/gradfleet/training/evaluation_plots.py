"""The picture of an evaluation that its kind of problem asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import SettingError
from gradfleet.training.metrics.predictions import Predictions

if TYPE_CHECKING:
    import pandas

Tables = Mapping[str, "pandas.DataFrame"]


def draw(predictions: Predictions, tables: Tables, path: Path | str) -> Path:
    """Write the picture; see `Evaluation.plot`.

    Raises:
        SettingError: matplotlib is not installed, or problems of this kind have no picture.
    """
    parts = _PARTS.get(str(predictions.kind), ())
    if not parts or (predictions.kind != "regression" and not tables):
        raise SettingError(f"There is no picture of an evaluation of {predictions.kind or 'an unknown kind'}.")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingError('A plot needs matplotlib: pip install "gradfleet[plots]".') from None
    figure = Figure(figsize=(5 * len(parts), 4.5), layout="constrained")  # no pyplot: it keeps every figure
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        part(axes, predictions, tables)
    figure.savefig(path)
    return Path(path)


def _confusion(axes: Any, predictions: Predictions, tables: Tables) -> None:
    """Rows of true classes, as shares; the counts stand in the cells where there is room for them."""
    table = tables["confusion"]
    counts = table.to_numpy()
    axes.imshow(counts / counts.sum(axis=1, keepdims=True).clip(min=1), cmap="Blues", vmin=0, vmax=1)
    _name_ticks(axes.set_xticks, [str(name) for name in table.columns], rotation=90)
    _name_ticks(axes.set_yticks, [str(name) for name in table.index])
    axes.set(xlabel="predicted", ylabel="true")
    if len(table) <= 20:
        for row, column in ((row, column) for row in range(len(table)) for column in range(len(table))):
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color="grey")


def _roc(axes: Any, predictions: Predictions, tables: Tables) -> None:
    from sklearn.metrics import auc, roc_curve

    wrong, right, _ = roc_curve(predictions.targets.flatten(), predictions.probabilities.flatten())
    axes.plot(wrong, right, label=f"area {auc(wrong, right):.3f}")
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axes.set(xlabel="share of no taken for yes", ylabel="share of yes found")
    axes.legend()


def _labels(axes: Any, predictions: Predictions, tables: Tables) -> None:
    tables["labels"][["precision", "recall", "f1"]].plot.barh(ax=axes)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1))


def _amounts(axes: Any, predictions: Predictions, tables: Tables) -> None:
    """A point for every amount; what is predicted exactly lies on the line."""
    true, predicted = predictions.targets.flatten(), predictions.outputs.flatten()
    ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
    axes.scatter(true, predicted, s=8, alpha=0.5)
    axes.plot(ends, ends, linestyle="--", color="grey")
    axes.set(xlabel="true", ylabel="predicted")


def _name_ticks(set_ticks: Callable[..., Any], names: Sequence[str], **style: Any) -> None:
    set_ticks(range(len(names)), names, **style)


_PARTS: Mapping[str, Sequence[Callable[[Any, Predictions, Tables], None]]] = {
    "binary": (_confusion, _roc),
    "multiclass": (_confusion,),
    "multilabel": (_labels,),
    "regression": (_amounts,),
}
