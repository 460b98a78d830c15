"""Summaries of texts, learned from texts with theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from autotasks.summarizers import ExtractiveSummarizer, LeadSummarizer
from autotasks.summary_recipe import SummaryRecipe
from autotasks.task import AutoTask
from gradfleet import AutoModel, Float, Int, Objective, Tuner
from gradfleet.errors import SettingError
from gradfleet.tasks import TextPreparation


class AutoSummarizer(AutoTask):
    """Learns which sentences of a text make its summary.

    Trial 0 is a scorer of sentences on their places, lengths and words; trial 1 takes the first sentences, which is the
    baseline. How many sentences a summary has is chosen on training rows, everything else is searched. ROUGE-1 on
    validation rows decides; ROUGE-2 and ROUGE-L stand beside it.

    Example:
        >>> summarizer = AutoSummarizer("abstracts.csv", inputs="text", target="summary")  # doctest: +SKIP
        >>> summarizer.fit(budget="2m").predict(["A long text. With sentences."])  # doctest: +SKIP
        ['A long text.']
    """

    task = "summarization"
    objective: ClassVar[Objective] = Objective("val_rouge1", "max")
    epochs = 1

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        if backbones:
            raise SettingError("Summarization has no use for pretrained networks yet: leave backbones= out.")
        return {"preparation": TextPreparation(), "kind": "text"}

    @classmethod
    def tuner(cls, backbones: Sequence[str] = ()) -> Tuner:
        del backbones
        tuner = Tuner()
        tuner.architecture(
            "extractive", ExtractiveSummarizer, strength=Float(1e-3, 10.0, log=True), terms=Int(200, 20_000, log=True)
        )
        tuner.architecture("lead", LeadSummarizer)
        return tuner

    @classmethod
    def automodel(cls, backbones: Sequence[str] = ()) -> AutoModel:
        tuner = cls.tuner(backbones)
        return AutoModel.from_recipe(SummaryRecipe(tuner), tuner, cls.objective, reference=cls.reference(backbones))
