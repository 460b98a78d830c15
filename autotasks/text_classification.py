"""Text classification from a table of texts and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from autotasks.backbones import names_of
from autotasks.encoders import decay_of
from autotasks.learnable import require_classes, require_texts, with_classes
from autotasks.task import AutoTask
from autotasks.text_encoders import FrozenTextEncoder, TextEncoder
from autotasks.text_networks import bag, cnn, transformer
from autotasks.tfidf import TfidfLinear
from autotasks.views import check_views
from gradfleet import AutoDataset, AutoModel, Choice, Float, Int, Tuner
from gradfleet.tasks import PretrainedTokenizer, TextPreparation, TrainedTokenizer, When


class AutoTextClassifier(AutoTask):
    """Learns to tell kinds of text apart: one label a text, or several.

    Trial 1 is a linear classifier on TF-IDF. Searched beside it: a bag of token vectors, a convolutional net and a
    small transformer, all from scratch with a tokenizer learned from the data, and the linear classifier's own
    settings. A network from scratch is built on such a classifier and learns what that misses, so that none is chosen
    that loses to it. Of each pretrained encoder in `backbones` the vectors are computed once and a linear layer on
    them and on the words is tried first; fine-tuning follows where the budget allows it. Probabilities are calibrated
    on the validation rows.

    Example:
        >>> classifier = AutoTextClassifier("reviews.csv")  # doctest: +SKIP
        >>> classifier.fit(budget="10m").evaluate("held_out.csv")["accuracy"]  # doctest: +SKIP
        0.871
        >>> classifier.predict(["a lovely film"])  # doctest: +SKIP
        ['positive']
    """

    task = "text-classification"
    backbone_kind = "text encoder"
    epochs = 15

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        """Texts in the tokens of the data's own tokenizer and of each backbone's."""
        own = {name: PretrainedTokenizer(source) for name, source in names_of(backbones).items()}
        return {"preparation": TextPreparation({"trained": TrainedTokenizer(), **own})}

    def read(self, data: Any, told: Mapping[str, Any]) -> AutoDataset:
        return with_classes(super().read, data, told)

    def check(self, data: AutoDataset) -> None:
        require_texts(data)
        require_classes(data)
        check_views(data, self._backbones)

    @classmethod
    def tuner(cls, backbones: Sequence[str] = ()) -> Tuner:
        names = names_of(backbones)
        tuner = Tuner()
        tuner.architecture("bag", bag, width=Int(32, 256, log=True), dropout=Float(0.0, 0.6))
        tuner.architecture("tfidf", TfidfLinear, longest=Int(1, 3), strength=Float(0.05, 10.0, log=True))
        tuner.architecture(
            "cnn", cnn, width=Int(64, 256, log=True), channels=Int(32, 256, log=True), dropout=Float(0.1, 0.7)
        )
        tuner.architecture(
            "transformer", transformer, width=Int(64, 256, log=True), depth=Int(1, 4), dropout=Float(0.0, 0.5)
        )
        for name, source in names.items():
            frozen = partial(FrozenTextEncoder, source, name)
            tuner.architecture(
                f"{name}-frozen",
                frozen,
                strength=Float(0.03, 10.0, log=True, default=0.5),
                share=Float(0.5, 4.0, log=True, default=1.0),
            )
            whole = partial(TextEncoder, source, name, strength=0.05)
            tuner.architecture(
                name, whole, dropout=Float(0.0, 0.3, default=0.1), rounds=Int(2, 8, default=4), **decay_of(source)
            )
        cls._add_training(tuner, list(names))
        return tuner

    @staticmethod
    def _add_training(tuner: Tuner, fine_tuned: Sequence[str]) -> None:
        tuner.optimizer(
            "adamw",
            learning_rate=Float(3e-4, 1e-2, log=True, default=2e-3),
            weight_decay=Float(1e-4, 1e-1, log=True, default=1e-2),
        )
        if fine_tuned:
            # The encoder's rate as a part of the head's: 2e-3 times 0.02 is the 4e-5 that encoders are tuned with.
            when = When("architecture", tuple(fine_tuned))
            tuner.add("layer_decay", Float(5e-3, 0.1, log=True, default=0.02), when=when)
        tuner.add("schedule", Choice("one_cycle", "cosine"))
        tuner.add("batch_size", Choice(16, 32, 64))

    @classmethod
    def automodel(cls, backbones: Sequence[str] = ()) -> AutoModel:
        model = AutoModel(cls.tuner(backbones), objective=cls.objective, reference=cls.reference(backbones))
        return model.compile(metrics=["accuracy", "f1"], clip_norm=1.0, calibrate=True)
