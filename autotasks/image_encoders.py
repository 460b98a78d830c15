"""Pretrained image networks: a linear layer on their vectors, solved at once, and fine-tuning that begins there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from autotasks.backbones import computing, made_from, read_pretrained, usual_device
from autotasks.encoders import PretrainedEncoder
from gradfleet.errors import ExportError, SettingError
from gradfleet.tasks import ArrayExamples, DataFacts, FeatureCache, ImagePreparation, NamedInputs

_AT_ONCE = 32  # images whose vectors are computed together
_FIRST_TOKEN = ("beit", "deit", "dinov2", "vit")
"""Kinds of network whose first state speaks for the image; what they call pooled may not be pretrained."""
_ANY_SIDE = ("convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet", "resnet")
"""Kinds of network that look at images of any size."""
_SMALLER = (96, 128, 160, 192)
_DEFAULTS = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}  # of ImageNet


class ImageEncoder(PretrainedEncoder):
    """A transformers image network, its pooled vector, and a linear layer.

    Takes pixels 0..255 as integers, or 0..1 as floats, grey or RGB, of any size; scaled as the network was trained
    with, and of images that are not square the middle, as it was trained with too.

    Args:
        side: pixels a side that they are resized to; None for what the network was trained with.
        Everything else is as for PretrainedEncoder.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        source: str,
        num_outputs: int,
        *,
        strength: float,
        side: int | None = None,
        dropout: float = 0.0,
        decay: float = 1.0,
    ) -> None:
        super().__init__(source, num_outputs, strength=strength, decay=decay)
        self.dropout = nn.Dropout(dropout)
        self._side = side
        self._crops = True
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("deviation", torch.ones(1, 3, 1, 1))

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        # In eval mode, in which a fit leaves it: small batches would ruin the running statistics of its batch norms.
        self.encoder = read_pretrained(self._source)
        settings = _DEFAULTS | image_settings(self._source)
        self._side = self._side or side_of(settings)
        self.mean.copy_(torch.tensor(settings["image_mean"]).view(1, 3, 1, 1))
        self.deviation.copy_(torch.tensor(settings["image_std"]).view(1, 3, 1, 1))
        self.to(usual_device())
        self.solve_head(self.vectors(train, "train", cache), train.targets)

    @property
    def seen_as(self) -> Sequence[str]:
        return (*super().seen_as, str(self._side))

    def learned(self) -> dict[str, Any]:
        learned = {"config": self.encoder.config.to_dict(), "side": self._side, "crops": self._crops}
        return {**learned, "width": self.head.in_features}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self.encoder = made_from(learned["config"])
        self._side = learned["side"]
        self._crops = learned.get("crops", False)  # not in what was trained before it could be said
        self.head = nn.Linear(learned["width"], self._num_outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.dropout(self.pooled(images)))
        return outputs

    def pooled(self, images: torch.Tensor) -> torch.Tensor:
        """The vector of each image, (rows, width)."""
        pixels = images if images.is_floating_point() else images.float() / 255
        pixels = self._square(pixels.expand(-1, 3, -1, -1))
        assert self._side is not None, "known from `start` or `restore` on"
        size = (self._side, self._side)
        if pixels.shape[-2:] != size:
            pixels = functional.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        found = self.encoder(pixel_values=(pixels - self.mean) / self.deviation)
        first_token = self.encoder.config.model_type in _FIRST_TOKEN
        vectors: torch.Tensor = found.last_hidden_state[:, 0] if first_token else found.pooler_output.flatten(1)
        return vectors

    def _square(self, pixels: torch.Tensor) -> torch.Tensor:
        """The middle of images (..., height, width), where that is enough of them."""
        height, width = pixels.shape[-2:]
        if not self._takes_middle(height, width):
            return pixels
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return pixels[..., top : top + side, left : left + side]

    def _takes_middle(self, height: int, width: int) -> bool:
        return self._crops and min(height, width) / max(height, width) >= ImagePreparation.least_kept

    def compute(self, examples: ArrayExamples) -> np.ndarray[Any, Any]:
        images = _images(examples)
        with computing(self):
            batches = (images[first : first + _AT_ONCE] for first in range(0, len(images), _AT_ONCE))
            parts = [self.pooled(batch.to(self.mean.device)).float().cpu() for batch in batches]
        return torch.cat(parts).numpy()

    def save_pretrained(self, folder: Path, facts: DataFacts) -> None:
        """A network of transformers' own for classifying images, and how it wants them."""
        from transformers import AutoModelForImageClassification

        whole: Any = AutoModelForImageClassification
        model = whole.from_config(self.labelled_config(facts))
        getattr(model, model.base_model_prefix).load_state_dict(self.encoder.state_dict(), strict=False)
        self._give_head(model)
        model.save_pretrained(folder)
        said = {
            **self._resized_as(facts),
            "do_resize": True,
            "resample": 2,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "do_convert_rgb": True,
            "image_mean": self.mean.flatten().tolist(),
            "image_std": self.deviation.flatten().tolist(),
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(said, indent=1), encoding="utf-8")

    def _resized_as(self, facts: DataFacts) -> dict[str, Any]:
        """What brings an image to the network's size, by the plainest of transformers' processors that can."""
        height, width = facts.input_shape[1:]
        resize, takes_middle = (facts.preparation or {}).get("resize", "crop"), self._takes_middle(height, width)
        if resize == "pad" or (resize == "stretch" and takes_middle and height != width):
            raise ExportError(
                f'The model sees images after resize="{resize}", which no processor of transformers does. Train it on '
                'ImagePreparation(resize="crop", square=True), or use format="bundle".'
            )
        whole = {"height": self._side, "width": self._side}
        if resize == "stretch" or not takes_middle:
            return {"image_processor_type": "ViTImageProcessor", "size": whole}
        settings = {"size": {"shortest_edge": self._side}, "do_center_crop": True, "crop_size": whole}
        return {"image_processor_type": "CLIPImageProcessor", **settings}

    def _give_head(self, model: nn.Module) -> None:
        """The weights of the linear layer; one that also reads the mean of the patches gets nothing from them."""
        last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
        width = self.head.in_features
        with torch.no_grad():
            last.weight.zero_()
            last.weight[:, :width] = self.head.weight.cpu()
            last.bias.copy_(self.head.bias.cpu())


class FrozenImageEncoder(ImageEncoder):
    """The same, as far as it comes without training: a linear probe."""

    fitted_at_once = True

    def measured_on(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> ArrayExamples:
        return replace(examples, inputs=NamedInputs({"vectors": self.vectors(examples, name, cache)}))

    def forward(self, images: torch.Tensor | None = None, vectors: torch.Tensor | None = None) -> torch.Tensor:
        if vectors is None:
            assert images is not None
            vectors = self.pooled(images)
        outputs: torch.Tensor = self.head(vectors)
        return outputs


class EncoderShape(nn.Module):
    """An untrained network of the shape of a pretrained one, to see how long a step of it takes."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, source: str, side: int) -> None:
        from transformers import AutoConfig

        super().__init__()
        del input_shape
        self.network = ImageEncoder(source, num_outputs, strength=1.0)
        config = AutoConfig.from_pretrained(source).to_dict()
        self.network.restore({"config": config, "side": side, "width": 1})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network.pooled(images)


def sides_of(source: str) -> tuple[int, ...]:
    """Pixels a side that a pretrained network can look at, ascending; the last are what it was trained with.

    One that is not there, as where a model that began with it is loaded, may be of any kind.
    """
    from transformers import AutoConfig

    trained = side_of(image_settings(source, local_files_only=True))
    try:
        is_free = AutoConfig.from_pretrained(source, local_files_only=True).model_type in _ANY_SIDE
    except (OSError, ValueError):
        is_free = True
    return (*(side for side in _SMALLER if trained / 2 <= side < trained and is_free), trained)


def image_settings(source: str, *, local_files_only: bool = False) -> dict[str, Any]:
    """How images were brought into shape for a pretrained network; empty when it does not say."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        return dict(ImageProcessingMixin.get_image_processor_dict(source, local_files_only=local_files_only)[0])
    except OSError:
        return {}


def side_of(settings: Mapping[str, Any]) -> int:
    """Pixels of a side of the images that the network was trained with; 224 when that is not said."""
    for name in ("crop_size", "size"):
        said = settings.get(name) or {}
        side = said if isinstance(said, int) else said.get("height") or said.get("shortest_edge")
        if side:
            return int(side)
    return 224


def _images(examples: ArrayExamples) -> torch.Tensor:
    if not isinstance(examples.inputs, torch.Tensor):
        raise SettingError(f"An image network looks at images, and these inputs are {type(examples.inputs).__name__}.")
    return examples.inputs
