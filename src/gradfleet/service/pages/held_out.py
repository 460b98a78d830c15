"""What a trial's model says of the validation rows: who is taken for whom, and the rows that it is most wrong about."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from gradfleet.errors import GradfleetError, NotFoundError
from gradfleet.service.pages.visit import Visit

if TYPE_CHECKING:
    import torch

    from gradfleet.study.view import TrialView

_WORST = 12
_MOST_CLASSES = 30


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row that the model gave little to its true class.

    Attributes:
        probability: of the true class.
        picture: as a data URL; None where the rows are no images.
    """

    row: int
    true: str
    predicted: str
    probability: float
    picture: str | None


def show(visit: Visit) -> Response:
    """
    Raises:
        NotFoundError: nothing was kept, or the model does not tell classes apart.
    """
    study = visit.service.study(visit.name)
    view, facts = study.trial(visit.number), study.spec.get("facts") or {}
    probabilities, targets = _kept(view, facts)
    labels = _labels(facts, probabilities.shape[1])
    return visit.render(
        "held_out.html",
        name=visit.name,
        number=visit.number,
        rows=len(targets),
        right=int((probabilities.argmax(dim=1) == targets).sum()),
        labels=labels,
        matrix=_matrix(probabilities, targets) if len(labels) <= _MOST_CLASSES else None,
        worst=_worst(view, probabilities, targets, labels),
    )


def _kept(view: TrialView, facts: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities, a column a class, and true class numbers."""
    import torch

    from gradfleet.trials.held_out import HeldOut

    kind = facts.get("kind")
    if kind not in ("binary", "multiclass"):
        raise NotFoundError(f"This page is about classes, and trial {view.number} learned something else.")
    found = HeldOut.read(view.files())
    if found is None:
        raise NotFoundError(f"What trial {view.number} says of its validation rows was not kept.")
    if kind == "multiclass":
        return found.outputs.softmax(dim=1), found.targets.long().reshape(-1)
    yes = found.outputs.reshape(-1).sigmoid()
    return torch.stack([1 - yes, yes], dim=1), found.targets.long().reshape(-1)


def _labels(facts: Mapping[str, Any], count: int) -> list[str]:
    said = facts.get("labels") or ()
    return [str(one) for one in said] if len(said) == count else [str(number) for number in range(count)]


def _matrix(probabilities: torch.Tensor, targets: torch.Tensor) -> list[list[int]]:
    """A row a true class, a column a predicted one."""
    import torch

    count = probabilities.shape[1]
    pairs = targets * count + probabilities.argmax(dim=1)
    found: list[list[int]] = torch.bincount(pairs, minlength=count * count).reshape(count, count).tolist()
    return found


def _worst(view: TrialView, probabilities: torch.Tensor, targets: torch.Tensor, labels: Sequence[str]) -> list[Wrong]:
    import torch

    own = probabilities[torch.arange(len(targets)), targets]
    predicted = probabilities.argmax(dim=1)
    rows = [row for row in own.argsort(stable=True)[:_WORST].tolist() if predicted[row] != targets[row]]
    inputs = _inputs(view)
    return [
        Wrong(row, labels[int(targets[row])], labels[int(predicted[row])], float(own[row]), _picture(inputs, row))
        for row in rows
    ]


def _inputs(view: TrialView) -> Any:
    """Of the validation rows; None where they are not there any more."""
    try:
        return getattr(view.validation(), "inputs", None)
    except GradfleetError:
        return None


def _picture(inputs: Any, row: int) -> str | None:
    import numpy
    from PIL import Image

    if not hasattr(inputs, "shape") or len(inputs.shape) != 4:
        return None
    pixels = numpy.asarray(inputs[row]).transpose(1, 2, 0)
    if pixels.dtype != numpy.uint8:
        pixels = (pixels.clip(0, 1) * 255).astype(numpy.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
