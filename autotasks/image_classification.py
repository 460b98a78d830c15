"""Image classification from a folder of class folders, with networks from scratch and pretrained ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from autotasks.augmentation import Augmentation
from autotasks.backbones import names_of
from autotasks.image_encoders import FrozenImageEncoder, ImageEncoder, image_settings, side_of
from autotasks.task import AutoTask
from autotasks.vision_networks import cnn, mlp, resnet
from gradfleet import AutoModel, Choice, Float, Int, Tuner
from gradfleet.tasks import ImagePreparation, When


class AutoImageClassifier(AutoTask):
    """Learns to tell classes of images apart.

    Searched: three kinds of network and their sizes, two optimizers, the schedule, the batch size and the
    augmentation. The default configuration is a small convolutional net. Of each pretrained network in `backbones` the
    vectors are computed once and a linear layer on them is tried first; fine-tuning, at a rate of its own, follows
    where the budget allows it. Probabilities are calibrated on the validation rows.

    Example:
        >>> classifier = AutoImageClassifier("flowers/")  # doctest: +SKIP
        >>> classifier.fit(budget="10m").evaluate("held_out/")["accuracy"]  # doctest: +SKIP
        0.934
        >>> classifier.predict(["new.jpg"])  # doctest: +SKIP
        ['tulip']
    """

    task = "image-classification"
    backbone_kind = "image network"

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        if not backbones:
            return {}
        # Decoded once, at the largest size that any of them looks at.
        return {"preparation": ImagePreparation(largest=max(side_of(image_settings(source)) for source in backbones))}

    @classmethod
    def tuner(cls, backbones: Sequence[str] = ()) -> Tuner:
        tuner = Tuner()
        tuner.architecture("cnn", cnn, channels=Int(16, 64, log=True), depth=Int(1, 4), dropout=Float(0.0, 0.5))
        tuner.architecture("resnet", resnet, channels=Int(16, 64, log=True), depth=Int(1, 2), dropout=Float(0.0, 0.5))
        tuner.architecture("mlp", mlp, width=Int(64, 512, log=True), depth=Int(1, 3), dropout=Float(0.0, 0.5))
        for name, source in names_of(backbones).items():
            probe = partial(FrozenImageEncoder, source)
            tuner.architecture(f"{name}-frozen", probe, strength=Float(1e-4, 10.0, log=True, default=0.01))
            whole = partial(ImageEncoder, source, strength=0.01)
            tuner.architecture(name, whole, dropout=Float(0.0, 0.4, default=0.1))
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
            erase=Float(0.0, 0.5, default=0.0),
        )
        return tuner

    @classmethod
    def automodel(cls, backbones: Sequence[str] = ()) -> AutoModel:
        model = AutoModel(cls.tuner(backbones), objective=cls.objective, reference=cls.reference(backbones))
        return model.compile(kind="multiclass", metrics=["accuracy"], calibrate=True)
