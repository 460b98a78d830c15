"""Image classification from a folder of class folders, with networks from scratch and pretrained ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from autotasks.augmentation import Augmentation, mixing
from autotasks.backbones import names_of
from autotasks.class_weights import ClassWeights
from autotasks.encoders import decay_of
from autotasks.image_encoders import FrozenImageEncoder, ImageEncoder, image_settings, side_of, sides_of
from autotasks.image_sizes import ImageSizes
from autotasks.learnable import require_classes, require_images, with_classes
from autotasks.pictures import pictures
from autotasks.task import AutoTask
from autotasks.vision_networks import cnn, mlp, resnet, vit
from gradfleet import AutoDataset, AutoModel, Choice, Float, Int, Tuner
from gradfleet.tasks import ImagePreparation, Tailor, When, is_table

LARGEST = 128
"""Pixels of the longer side that images are decoded at for networks from scratch."""

VALIDATED = 1_000
"""Rows that are enough to choose by: the accuracy of a model that is right in 9 of 10 is known to a hundredth then."""


def _read_pictures(data: Any, told: Mapping[str, Any]) -> AutoDataset:
    """Arrays are as large as they are."""
    return AutoDataset(pictures(data), **told)


class AutoImageClassifier(AutoTask):
    """Learns to tell classes of images apart.

    Searched: four kinds of network and their sizes, two optimizers, the schedule, the batch size and the
    augmentation. The default configuration is a small convolutional net. Where the search has a time, a training step
    of each kind is measured first, and sizes, input size and epochs are chosen so that whole trials fit. Of each
    pretrained network in `backbones` the vectors are computed once and a linear layer on them is tried first;
    fine-tuning, at a rate of its own, follows where two epochs of it fit. Probabilities are calibrated on the
    validation rows.

    Example:
        >>> classifier = AutoImageClassifier("flowers/")  # doctest: +SKIP
        >>> classifier.fit(budget="10m").evaluate("held_out/")["accuracy"]  # doctest: +SKIP
        0.934
        >>> classifier.predict(["new.jpg"])  # doctest: +SKIP
        ['tulip']
    """

    task = "image-classification"
    backbone_kind = "image network"
    backbone_reads = "images"

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        # Decoded once, at the largest size that any network looks at.
        sides = [side_of(image_settings(source)) for source in backbones]
        return {"preparation": ImagePreparation(largest=max(sides, default=LARGEST), square=bool(sides))}

    def read(self, data: Any, told: Mapping[str, Any]) -> AutoDataset:
        told = {**told, "validation_rows": VALIDATED}
        if isinstance(data, str | os.PathLike) or is_table(data):
            return with_classes(super().read, data, told)
        return with_classes(_read_pictures, data, told)

    def check(self, data: AutoDataset) -> None:
        require_images(data)
        require_classes(data)

    @classmethod
    def tuner(cls, backbones: Sequence[str] = ()) -> Tuner:
        tuner = Tuner()
        sizes: dict[str, Any] = {
            "channels": Int(8, 64, log=True),
            "side": Choice(32, 64, 96, 128),
            "dropout": Float(0.0, 0.5),
        }
        tuner.architecture("cnn", cnn, depth=Int(2, 4), **sizes)
        tuner.architecture("resnet", resnet, depth=Int(1, 2), **sizes)
        widths: dict[str, Any] = {"width": Choice(64, 128, 192), "side": Choice(32, 64, 96, 128)}
        tuner.architecture("vit", vit, depth=Int(2, 6), dropout=Float(0.0, 0.3), **widths)
        tuner.architecture("mlp", mlp, width=Int(64, 512, log=True), depth=Int(1, 3), dropout=Float(0.0, 0.5))
        for name, source in names_of(backbones).items():
            sides = sides_of(source)
            side = Choice(*sides, default=sides[-1])
            probe = partial(FrozenImageEncoder, source)
            tuner.architecture(f"{name}-frozen", probe, side=side, strength=Float(1e-4, 10.0, log=True, default=0.01))
            whole = partial(ImageEncoder, source, strength=0.01)
            tuner.architecture(name, whole, side=side, dropout=Float(0.0, 0.4, default=0.1), **decay_of(source))
        tuner.optimizer(
            "adamw",
            learning_rate=Float(3e-4, 1e-2, log=True, default=2e-3),
            weight_decay=Float(1e-4, 1e-1, log=True, default=1e-2),
        )
        tuner.optimizer(
            "sgd", learning_rate=Float(1e-2, 0.5, log=True, default=0.1), momentum=Float(0.8, 0.98, default=0.9)
        )
        if fine_tuned := tuple(names_of(backbones)):
            # The backbone's rate as a part of the head's: 2e-3 times 0.05 is 1e-4.
            when = When("architecture", fine_tuned)
            tuner.add("layer_decay", Float(5e-3, 0.5, log=True, default=0.05), when=when)
        tuner.add("schedule", Choice("one_cycle", "cosine"))
        tuner.add("batch_size", Choice(32, 64, 128))
        tuner.callback(
            "augmentation",
            Augmentation,
            shift=Float(0.0, 0.2, default=0.08),
            rotation=Float(0.0, 30.0, default=8.0),
            scale=Float(0.0, 0.3, default=0.08),
            mirror=Choice(False, True),
            colour=Choice(0.0, 0.1, 0.2, 0.4),
            strength=Choice(0.0, 0.2, 0.4, 0.6),
            erase=Float(0.0, 0.5, default=0.0),
        )
        tuner.callback("mixing", mixing, kind=Choice("mixup", "cutmix"), alpha=Float(0.1, 1.0, default=0.2))
        tuner.add("callbacks.mixing", Choice(None, "on"))
        tuner.callback("class_weights", ClassWeights, strength=Float(0.0, 1.0, default=0.0))
        return tuner

    @classmethod
    def automodel(cls, backbones: Sequence[str] = ()) -> AutoModel:
        model = AutoModel(cls.tuner(backbones), objective=cls.objective, reference=cls.reference(backbones))
        return model.compile(metrics=["accuracy"], calibrate=True, channels_last=True)

    def tailor(self, *, epochs: int | None) -> Tailor:
        known = self.portfolio(self._backbones)
        is_free = "architecture" not in self.model.narrowing
        backbones, choices = names_of(self._backbones), self._architectures
        return ImageSizes(backbones, known=known, epochs=epochs, choices=choices, is_free=is_free)
