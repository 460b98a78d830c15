"""Why a model says what it says: which places of an image, and which words of a text, its prediction hangs on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from gradfleet.data.items import inputs_of, raw_items
from gradfleet.data.scratch import Scratch
from gradfleet.errors import DataError, SettingError, unknown_name
from gradfleet.trials.results import CLASSES, figure_class, show_image

if TYPE_CHECKING:
    from gradfleet.data.prepared import DataFacts
    from gradfleet.trials.predictor import ModelPredictor

METHODS = ("occlusion", "gradients")
_PARTS = 8  # windows along the shorter side; they overlap by half
_STEPS = 32  # of integrated gradients
_AT_ONCE = 16
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Explanation:
    """Of one item.

    Attributes:
        item: as it was given.
        predicted: the label that is explained: the most likely one, unless another was asked for.
        weights: how much each part speaks for that label, negative where it speaks against: of an image an array
            (height, width), of a text a number a word.
        parts: the words of a text; of an image its pixels (channels, height, width).
    """

    item: Any
    predicted: Any
    weights: npt.NDArray[np.float64]
    parts: Any

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The words of a text that speak loudest for the label.

        Raises:
            SettingError: this is no text.
        """
        if isinstance(self.parts, torch.Tensor):
            raise SettingError("An image has no words; `weights` has a number a pixel, and `plot` shows them.")
        order = np.argsort(-self.weights, kind="stable")[:count]
        return [(self.parts[place], float(self.weights[place])) for place in order]

    def plot(self, path: Path | str) -> Path:
        """Write a picture: the image beside what it hangs on, red for the label and blue against it, or words as bars.

        Raises:
            SettingError: matplotlib is not installed.
        """
        is_image = isinstance(self.parts, torch.Tensor)
        figure = figure_class()(figsize=(6, 3.2) if is_image else (5, 4), layout="constrained")
        figure.suptitle(str(self.predicted))
        limit = float(np.abs(self.weights).max(initial=0)) or 1.0
        if is_image:
            for axes in (pair := figure.subplots(1, 2)):
                show_image(axes, self.parts)
                axes.set_axis_off()
            pair[1].imshow(self.weights, cmap="bwr", vmin=-limit, vmax=limit, alpha=0.6)
        else:
            words = self.top(12)
            axes = figure.subplots()
            axes.barh([f"{place}: {word}" for place, (word, _) in enumerate(words)], [weight for _, weight in words])
            axes.invert_yaxis()
        figure.savefig(path)
        return Path(path)


def explain(
    predictor: ModelPredictor, items: Sequence[Any], *, method: str = "occlusion", target: Any = None
) -> list[Explanation]:
    """An explanation of each item's prediction.

    Args:
        items: what `predict` takes, images or texts.
        method: "occlusion" covers part after part, leaves out word after word, and sees what becomes of the label's
            output (Zeiler and Fergus, 2014, arXiv:1311.2901); it works for every model. "gradients" are integrated from
            a grey image (Sundararajan et al., 2017, arXiv:1703.01365), of images alone.
        target: the label to explain, where it is not each item's most likely one.

    Raises:
        SettingError: captum is not installed, there is no such label, or no such method for these items.
        DataError: an item cannot be read, or the model learned from neither images nor texts.
    """
    if method not in METHODS:
        raise SettingError(unknown_name("method", method, METHODS))
    try:
        import captum.attr  # noqa: F401
    except ImportError:
        raise SettingError('Explanations need captum: pip install "gradfleet[explain]".') from None
    facts = predictor.facts
    if facts.kind not in CLASSES:
        raise DataError(f"Predictions of classes are explained, and this model's kind is {facts.kind}.")
    number = None if target is None else _number_of(target, facts)
    if facts.tokens:
        if method == "gradients":
            raise SettingError('Texts are explained by method="occlusion", whatever the network is.')
    elif len(facts.input_shape) != 3:
        raise DataError("Images and texts are explained, and this model learned from rows of numbers.")
    scratch = Scratch()  # holds what is unpacked until it is read
    explained = _explained_text if facts.tokens else partial(_explained_image, method)
    with scratch.naming():
        found = [explained(predictor, item, number) for item in raw_items(items, facts, scratch)]
    return [replace(one, item=scratch.told(str(one.item))) if _is_in(scratch, one.item) else one for one in found]


def _is_in(scratch: Scratch, item: Any) -> bool:
    return isinstance(item, Path) and scratch.around(item) is not None


def _number_of(label: Any, facts: DataFacts) -> int:
    names = [str(facts.label(number)) for number in range(2 if facts.kind == "binary" else facts.num_outputs)]
    if str(label) not in names:
        raise SettingError(unknown_name("label", label, names))
    return names.index(str(label))


def _explained_image(method: str, predictor: ModelPredictor, item: Any, target: int | None) -> Explanation:
    pixels: Any = inputs_of([item] if not isinstance(item, torch.Tensor) else item[None], predictor.facts)
    image = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if target is None:
        target = _most_likely(predictor, predictor.model.predict(image))
    attribute = _occluded if method == "occlusion" else _integrated
    weights = attribute(predictor, image, target)[0].sum(dim=0)
    return Explanation(item, predictor.facts.label(target), weights.double().numpy(), pixels[0])


def _occluded(predictor: ModelPredictor, image: torch.Tensor, target: int) -> torch.Tensor:
    from captum.attr import Occlusion

    side = max(1, round(min(image.shape[2:]) / _PARTS))
    channels = image.shape[1]
    found: torch.Tensor = Occlusion(_outputs(predictor)).attribute(
        image,
        sliding_window_shapes=(channels, side, side),
        strides=(channels, max(1, side // 2), max(1, side // 2)),
        baselines=image.mean(dim=(2, 3), keepdim=True).expand_as(image),
        target=target,
        perturbations_per_eval=_AT_ONCE,
    )
    return found.detach()


def _integrated(predictor: ModelPredictor, image: torch.Tensor, target: int) -> torch.Tensor:
    from captum.attr import IntegratedGradients

    network = predictor.model.network
    was_training, device = network.training, predictor.model.device
    network.eval()
    try:
        forward: Callable[[torch.Tensor], torch.Tensor] = lambda images: _classes(predictor, network(images))  # noqa: E731
        found: torch.Tensor = IntegratedGradients(forward).attribute(
            image.to(device),
            baselines=image.mean(dim=(2, 3), keepdim=True).expand_as(image).to(device),
            target=target,
            n_steps=_STEPS,
            internal_batch_size=_AT_ONCE,
        )
    finally:
        network.train(was_training)
    return found.detach().cpu()


def _explained_text(predictor: ModelPredictor, text: str, target: int | None) -> Explanation:
    """A word's weight is what the label's output loses without it."""
    from captum.attr import FeatureAblation

    words = _WORD.findall(text)
    if target is None:
        target = _most_likely(predictor, predictor.outputs([text]))
    if not words:
        return Explanation(text, predictor.facts.label(target), np.zeros(0), words)

    def outputs(kept: torch.Tensor) -> torch.Tensor:
        texts = [" ".join(word for word, there in zip(words, row, strict=True) if there) for row in kept.tolist()]
        return _classes(predictor, predictor.outputs(texts)).float()

    found = FeatureAblation(outputs).attribute(
        torch.ones(1, len(words)), target=target, perturbations_per_eval=_AT_ONCE
    )
    return Explanation(text, predictor.facts.label(target), found[0].double().numpy(), words)


def _outputs(predictor: ModelPredictor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda images: _classes(predictor, predictor.model.predict(images, batch_size=predictor.batch_size))


def _most_likely(predictor: ModelPredictor, outputs: torch.Tensor) -> int:
    return int(_classes(predictor, outputs).argmax())


def _classes(predictor: ModelPredictor, outputs: torch.Tensor) -> torch.Tensor:
    """Outputs with a column a class: one of a yes or no speaks against the no as it speaks for the yes."""
    if predictor.facts.kind != "binary":
        return outputs
    yes = outputs.reshape(-1)
    return torch.stack([-yes, yes], dim=1)
