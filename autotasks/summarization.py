"""Summaries of texts, learned from texts with theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from autotasks.backbones import is_writer, names_of
from autotasks.encoded_sentences import EncodedSummarizer
from autotasks.learnable import require_texts
from autotasks.portfolio import KnownGood
from autotasks.summarizers import ExtractiveSummarizer, LeadSummarizer
from autotasks.summary_recipe import SummaryRecipe
from autotasks.task import AutoTask
from autotasks.views import check_views
from autotasks.written_summaries import from_scratch, pretrained, rewriting
from gradfleet import AutoDataset, AutoModel, Choice, Float, Int, Objective, Tuner
from gradfleet.errors import DataError
from gradfleet.tasks import PretrainedTokenizer, TextPreparation, TrainedTokenizer

_VOCABULARY = 4_000
"""Tokens of what is written from scratch: each has a score at each step, and rare words are copied in pieces."""


class AutoSummarizer(AutoTask):
    """Learns to shorten texts: by which of their sentences to take, or by writing anew.

    Trial 0 is a scorer of sentences on their places, lengths and words; trial 1 takes the first sentences, which is the
    baseline. Beside them a small encoder-decoder that may copy learns to write the best sentences anew, and one that
    may not learns to write from nothing. Of each pretrained encoder in `backbones`, sentences are scored by its vectors
    too, and an encoder-decoder begins as two of it; a pretrained encoder-decoder is fine-tuned. How many sentences a
    summary has is chosen on training rows, how a network writes (beams, lengths) on validation rows after its training;
    everything else is searched. ROUGE-1 on validation rows decides; ROUGE-2 and ROUGE-L stand beside it.

    Example:
        >>> summarizer = AutoSummarizer("abstracts.csv", inputs="text", target="summary")  # doctest: +SKIP
        >>> summarizer.fit(budget="2m").predict(["A long text. With sentences."])  # doctest: +SKIP
        ['A long text.']
    """

    task = "summarization"
    backbone_kind = "text encoder or encoder-decoder"
    backbone_may_write = True
    objective: ClassVar[Objective] = Objective("val_rouge1", "max")
    epochs = 12

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        """Texts and summaries in the tokens of the data's own tokenizer and of each backbone's."""
        own = {name: PretrainedTokenizer(source) for name, source in names_of(backbones).items()}
        tokenizer = TrainedTokenizer(_VOCABULARY, lowercase=False)
        return {"preparation": TextPreparation({"trained": tokenizer, **own}), "kind": "text"}

    def check(self, data: AutoDataset) -> None:
        require_texts(data)
        check_views(data, self._backbones)
        if data.kind != "text":
            raise DataError(
                f"Summaries are texts, and the targets of this AutoDataset are for {data.kind}. Make it with "
                "kind='text'."
            )

    @classmethod
    def tuner(cls, backbones: Sequence[str] = ()) -> Tuner:
        tuner = Tuner()
        strength, terms = Float(1e-3, 10.0, log=True), Int(200, 20_000, log=True)
        tuner.architecture("extractive", ExtractiveSummarizer, strength=strength, terms=terms)
        tuner.architecture("lead", LeadSummarizer)
        tuner.architecture(
            "rewriter",
            rewriting,
            sentences=Int(1, 4, default=3),
            width=Choice(64, 128, 256, default=128),
            depth=Int(1, 2, default=1),
            dropout=Float(0.0, 0.3, default=0.2),
            rate=Float(1e-4, 2e-3, log=True, default=5e-4),
        )
        tuner.architecture(
            "writer",
            from_scratch,
            width=Choice(64, 128, 256, default=128),
            depth=Int(1, 3, default=2),
            dropout=Float(0.0, 0.3, default=0.1),
            rate=Float(5e-4, 5e-3, log=True, default=2e-3),
        )
        for name, source in names_of(backbones).items():
            if not is_writer(source):
                encoded = partial(EncodedSummarizer, source, name)
                tuner.architecture(f"{name}-extractive", encoded, strength=strength, terms=terms)
            written = partial(pretrained, source, name)
            tuner.architecture(f"{name}-writer", written, rate=Float(3e-5, 1e-3, log=True, default=3e-4))
        return tuner

    @classmethod
    def _known_good(cls, backbones: Sequence[str]) -> list[KnownGood]:
        space = cls.tuner(backbones).space()["architecture"]
        assert isinstance(space, Choice)
        return [one for one in super()._known_good(backbones) if one.architecture in space.choices]

    @classmethod
    def automodel(cls, backbones: Sequence[str] = ()) -> AutoModel:
        tuner = cls.tuner(backbones)
        return AutoModel.from_recipe(SummaryRecipe(tuner), tuner, cls.objective, reference=cls.reference(backbones))
