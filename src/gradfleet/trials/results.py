"""What a classifier says of each labelled row, the worst first, as a table and as pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gradfleet.errors import DataError, SettingError

if TYPE_CHECKING:
    import pandas

    from gradfleet.trials.predictor import ModelPredictor

_COLUMNS = 4  # of a page of pictures


@dataclass(frozen=True)
class Results:
    """Rows in the order of their loss, the largest first.

    Attributes:
        table: `row` in the data, `item` (a file, a text; the row's number where it has no name), `true`, `predicted`,
            `probability` of the true class, `loss` (its negative logarithm).
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
            raise SettingError("Pictures are drawn of images, and the model learned from something else. Use .table.")
        rows = self.table.head(count)
        lines = max(1, math.ceil(len(rows) / _COLUMNS))
        figure = figure_class()(figsize=(2.4 * _COLUMNS, 2.8 * lines), layout="constrained")
        places = figure.subplots(lines, _COLUMNS, squeeze=False).flatten()
        for axes in places:
            axes.set_axis_off()
        for axes, (_, one) in zip(places, rows.iterrows(), strict=False):
            show_image(axes, self.inputs[int(one["row"])])
            said = f"{one['true']}, taken for\n{one['predicted']}" if one["true"] != one["predicted"] else one["true"]
            axes.set_title(f"{said}\nloss {one['loss']:.2f}", fontsize=9)
        figure.savefig(path)
        return Path(path)


def results(predictor: ModelPredictor, data: Any) -> Results:
    """Every row of labelled data, the worst first; `data` is what `evaluate` takes.

    Raises:
        DataError: the model does not tell classes apart.
    """
    import pandas

    facts = predictor.facts
    if facts.kind not in ("multiclass", "binary"):
        raise DataError(f"Losses of single rows are for classes, and this model's kind is {facts.kind}.")
    found = predictor.labelled(data)
    examples = found.examples
    probabilities = _of_classes(predictor, examples)
    true = torch.as_tensor(examples.targets).long().reshape(-1)
    own = probabilities[torch.arange(len(true)), true].clamp(min=1e-12)
    losses = -own.log()
    names = found.names or list(range(len(true)))
    order = losses.argsort(descending=True, stable=True).tolist()
    predicted = probabilities.argmax(dim=1)
    rows = [
        (row, names[row], facts.label(int(true[row])), facts.label(int(predicted[row])), float(own[row]), float(loss))
        for row, loss in ((row, losses[row]) for row in order)
    ]
    columns = ["row", "item", "true", "predicted", "probability", "loss"]
    return Results(pandas.DataFrame(rows, columns=columns), examples.inputs)


def _of_classes(predictor: ModelPredictor, examples: Any) -> torch.Tensor:
    """Calibrated probabilities, a column a class; of a yes or no two."""
    outputs = predictor.model.predict(examples, batch_size=predictor.batch_size).double() / predictor.temperature
    if predictor.facts.kind == "multiclass":
        return outputs.softmax(dim=1)
    yes = outputs.reshape(-1).sigmoid()
    return torch.stack([1 - yes, yes], dim=1)


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
