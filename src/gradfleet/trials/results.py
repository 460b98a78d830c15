"""What a classifier says of each labelled row, the worst first, as a table and as pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch

from gradfleet.errors import DataError, SettingError
from gradfleet.trials.answers import NetworkAnswers

if TYPE_CHECKING:
    import pandas

    from gradfleet.trials.predictor import ModelPredictor

CLASSES = ("multiclass", "binary", "multilabel")
"""Kinds of data that results and explanations are of."""

_COLUMNS = 4  # of a page of pictures


@dataclass(frozen=True)
class Results:
    """Rows in the order of their loss, the largest first.

    Attributes:
        table: of classes `row` in the data, `item` (a file, a text; the row's number where it has no name), `true`,
            `predicted`, `probability` of the true class, `loss` (its negative logarithm). Where a row has several
            labels, `true` and `predicted` are lists, `loss` is the mean over all labels, and `worst` is the label that
            the model is most wrong about, one that the row has or has not; `probability` is that of the truth about it.
            All are of calibrated probabilities, while the loss of `evaluate` is of raw outputs.
        inputs: of all rows, in the data's own order.
    """

    table: pandas.DataFrame
    inputs: Any

    def plot(self, path: Path | str, *, count: int = 12) -> Path:
        """Write the images of the first `count` rows with what they are and were taken for; a PNG, or by the ending.

        Raises:
            SettingError: matplotlib is not installed, or the rows are no images.
        """
        if not isinstance(self.inputs, torch.Tensor) or self.inputs.dim() != 4:
            raise SettingError("Pictures are drawn of images, and the model learned from something else.")
        rows = self.table.head(count)
        lines = max(1, math.ceil(len(rows) / _COLUMNS))
        figure = figure_class()(figsize=(2.4 * _COLUMNS, 2.8 * lines), layout="constrained")
        places = figure.subplots(lines, _COLUMNS, squeeze=False).flatten()
        for axes in places:
            axes.set_axis_off()
        for axes, (_, one) in zip(places, rows.iterrows(), strict=False):
            show_image(axes, self.inputs[int(one["row"])])
            true, predicted = _named(one["true"]), _named(one["predicted"])
            said = f"{true}, taken for\n{predicted}" if true != predicted else true
            axes.set_title(f"{said}\nloss {one['loss']:.2f}", fontsize=9)
        figure.savefig(path)
        return Path(path)


@runtime_checkable
class HasResults(Protocol):
    """A predictor that can say of each labelled row how wrong it is."""

    def results(self, data: Any) -> Results:
        """Every row, the worst first; `data` is what `evaluate` takes."""
        ...


def results(predictor: ModelPredictor, data: Any) -> Results:
    """Every row of labelled data, the worst first; `data` is what `evaluate` takes.

    Raises:
        DataError: the model does not tell classes apart.
    """
    import pandas

    facts = predictor.facts
    if facts.kind not in CLASSES:
        raise DataError(f"Losses of single rows are for classes, and this model's kind is {facts.kind}.")
    found = predictor.labelled(data)
    examples = found.examples
    answers = predictor.understood(predictor.model.predict(examples, batch_size=predictor.batch_size))
    targets = torch.as_tensor(examples.targets)
    told = _several(answers, targets) if facts.kind == "multilabel" else _single(answers, targets)
    names = found.names or list(range(len(targets)))
    table = pandas.DataFrame({"row": range(len(targets)), "item": names, **told})
    worst_first = table.sort_values("loss", ascending=False, kind="stable", na_position="first", ignore_index=True)
    return Results(worst_first, examples.inputs)


def _single(answers: NetworkAnswers, targets: torch.Tensor) -> dict[str, Any]:
    """The columns of rows with one class each; of a yes or no there are two."""
    facts, likely = answers.facts, answers.likely
    if facts.kind == "binary":
        likely = torch.stack([1 - likely.reshape(-1), likely.reshape(-1)], dim=1)
    true = targets.long().reshape(-1)
    own = likely[torch.arange(len(true)), true]
    return {
        "true": [facts.label(number) for number in true.tolist()],
        "predicted": [facts.label(number) for number in likely.argmax(dim=1).tolist()],
        "probability": own.tolist(),
        "loss": _losses(own).tolist(),
    }


def _several(answers: NetworkAnswers, targets: torch.Tensor) -> dict[str, Any]:
    """The columns of rows with several labels each."""
    facts, likely = answers.facts, answers.likely
    true = NetworkAnswers(targets.reshape(likely.shape), facts, are_probabilities=True)
    own = torch.where(true.outputs > 0, likely, 1 - likely)
    worst = own.argmin(dim=1)
    return {
        "true": true.labels,
        "predicted": answers.labels,
        "worst": [facts.label(number) for number in worst.tolist()],
        "probability": own.amin(dim=1).tolist(),
        "loss": _losses(own).mean(dim=1).tolist(),
    }


def _losses(probabilities: torch.Tensor) -> torch.Tensor:
    return -probabilities.clamp(min=1e-12).log()


def _named(label: Any) -> Any:
    """A label, or several, under a picture."""
    return (", ".join(map(str, label)) or "none") if isinstance(label, list) else label


def show_image(axes: Any, pixels: torch.Tensor) -> None:
    """Draw (channels, height, width), bytes or floats from 0 to 1."""
    image = pixels.permute(1, 2, 0).numpy()
    axes.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray")


def figure_class() -> Any:
    """matplotlib's Figure, without pyplot, which keeps every figure.

    Raises:
        SettingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingError('A picture needs matplotlib: pip install "gradfleet[plots]".') from None
    return Figure
