"""A summarizer that writes: for the tokens of the data, kept as files; how it writes is tuned on validation rows."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from autotasks.backbones import read_writer, usual_device
from autotasks.content_selection import BestSentences, ContentSelector, WholeTexts
from autotasks.rouge import rouge1_of
from autotasks.summarizers import Cached, ExtractiveSummarizer
from autotasks.tfidf import text_inputs
from autotasks.writers import Generation, Marks, Writer, small_copier, small_writer, writer_of
from gradfleet.errors import ExportError
from gradfleet.tasks import ArrayExamples, TextInputs, TextPreparation, TextTargets

_DESCRIBED, _WEIGHTS = "writer.json", "weights.safetensors"
_SELECTOR = "selector-"  # before the names of its files
_TUNED_ON = 100  # validation rows


class WritingSummarizer:
    """Writes summaries anew, with a network that `make` makes.

    Args:
        view: in whose tokens it reads and writes.
        rate: of learning, at most.
        rounds: epochs, where there is time for them.
        selector: of what is read.
    """

    def __init__(
        self,
        view: str,
        make: Callable[[int, Marks], Any],
        *,
        rate: float,
        rounds: int,
        selector: ContentSelector | None = None,
    ) -> None:
        self.view = view
        self.rate = rate
        self.rounds = rounds
        self.generation = Generation()
        self._make = make
        self._selector = selector or WholeTexts()

    def start(self, preparation: TextPreparation, train: ArrayExamples, cached: Cached) -> ArrayExamples:
        """Make the network, for the tokens of the prepared data; what it is to learn from."""
        assert isinstance(train.targets, TextTargets)
        self._know(preparation)
        network = self._make(preparation.facts()[self.view]["vocabulary_size"], self._marks)
        self.writer = Writer(network, self._marks).to(usual_device())
        targets = train.targets.seen_as(self.view)
        lengths = targets.tokens[self.view].lengths.float()
        self.generation = Generation(max_tokens=int(torch.quantile(lengths, 0.98)) + 8)
        return ArrayExamples(self._selector.fit(train, preparation, self.view, cached), targets)

    def seen(self, part: ArrayExamples) -> ArrayExamples:
        """Other rows, as the network reads them."""
        assert isinstance(part.targets, TextTargets)
        inputs = self._selector.select(text_inputs(part.inputs), self.view)
        return ArrayExamples(inputs, part.targets.seen_as(self.view))

    def summarize(self, texts: Sequence[str]) -> list[str]:
        """A summary of each text."""
        return self.write(self._selector.select(self._preparation.inputs(list(texts)), self.view))

    def write(self, inputs: TextInputs, generation: Generation | None = None) -> list[str]:
        """A summary of each text, as the network reads it; texts of like length are written together."""
        found = [""] * len(inputs)
        for rows in torch.split(inputs.lengths.argsort(stable=True), self.writer.at_once):
            tokens = self.writer.write(inputs.take(rows), generation or self.generation)
            for row, text in zip(rows.tolist(), tokens, strict=True):
                found[row] = self._preparation.decode(text, self.view).strip()
        return found

    def tune(self, inputs: TextInputs, wanted: Sequence[str], until: float = math.inf) -> None:
        """Take the settings of generation that do best on some of these rows; nothing is trained.

        Args:
            until: seconds since 1970, after which no further ones are tried.
        """
        few, known = inputs.part(0, min(_TUNED_ON, len(inputs))), wanted[:_TUNED_ON]
        tried = {self.generation: 0.0}
        for one in takewhile(lambda _: time.time() < until, self._generations(inputs, wanted)):
            tried[one] = float(np.mean(rouge1_of(self.write(few, one), known)))
        self.generation = max(tried, key=lambda one: tried[one])

    def _generations(self, inputs: TextInputs, wanted: Sequence[str]) -> list[Generation]:
        lengths = [len(tokens) for tokens in self._preparation.encode(wanted, self.view)]
        shortest = [0, int(np.quantile(lengths, 0.25)), int(np.quantile(lengths, 0.5))]
        longest = self.generation.max_tokens
        greedy = [Generation(min_tokens=few, max_tokens=longest) for few in shortest]
        beams = [Generation(4, penalty, few, longest) for penalty in (0.6, 1.0, 2.0) for few in shortest[:2]]
        return [*greedy, *beams]

    def save_pretrained(self, folder: Path) -> None:
        """Write the network, its tokenizer, and how it is told to write.

        Raises:
            ExportError: it is an architecture that transformers does not have.
        """
        if not self.writer.is_known:
            raise ExportError(
                "A rewriter chooses sentences and copies from them, which no network of transformers does; use "
                'format="bundle".'
            )
        self.writer.save_pretrained(folder, self.generation)
        self._preparation.save_pretrained(folder, self.view)

    def files(self) -> dict[str, bytes]:
        """Everything learned, as JSON and safetensors by file name."""
        described = {"network": self.writer.network.config.to_dict(), "generation": self.generation.to_json()}
        weights = {name: part.detach().cpu().clone() for name, part in self.writer.network.state_dict().items()}
        own = {_DESCRIBED: json.dumps(described).encode(), _WEIGHTS: save(weights)}
        return own | {f"{_SELECTOR}{name}": content for name, content in self._selector.files().items()}

    def read(self, files: Mapping[str, bytes], preparation: TextPreparation) -> None:
        """Become what `files` wrote."""
        self._know(preparation)
        described = json.loads(files[_DESCRIBED])
        self.generation = Generation(**described["generation"])
        self.writer = Writer(writer_of(described["network"]), self._marks)
        self.writer.network.load_state_dict(load(files[_WEIGHTS]))
        selector = {name: content for name, content in files.items() if name.startswith(_SELECTOR)}
        self._selector.read({name.removeprefix(_SELECTOR): content for name, content in selector.items()}, preparation)

    def _know(self, preparation: TextPreparation) -> None:
        tokens = preparation.facts()[self.view]
        end = preparation.encode(["a"], self.view)[0][-1]  # tokenizers put it there themselves
        self._preparation = preparation
        self._marks = Marks(tokens["start_token"], end, tokens["padding_token"])


def pretrained(source: str, view: str, *, rate: float = 3e-4, rounds: int = 6) -> WritingSummarizer:
    """By a pretrained encoder-decoder, or one whose halves begin as a pretrained encoder.

    What the decoder of the latter reads of the encoder (cross-attention) is not pretrained (Rothe et al., 2020,
    arXiv:1907.12461).
    """
    return WritingSummarizer(view, lambda size, marks: read_writer(source), rate=rate, rounds=rounds)


def from_scratch(
    *, width: int = 128, depth: int = 2, dropout: float = 0.1, rate: float = 2e-3, rounds: int = 12
) -> WritingSummarizer:
    """By a small one that knows nothing before, in tokens learned from the data."""

    def make(size: int, marks: Marks) -> Any:
        return small_writer(size, marks, width=width, depth=depth, dropout=dropout)

    return WritingSummarizer("trained", make, rate=rate, rounds=rounds)


def rewriting(
    *,
    sentences: int = 3,
    width: int = 128,
    depth: int = 1,
    dropout: float = 0.2,
    rate: float = 5e-4,
    rounds: int = 8,
) -> WritingSummarizer:
    """By a small one that writes the best sentences of a text anew, in its own words and theirs."""

    def make(size: int, marks: Marks) -> Any:
        return small_copier(size, marks, width=width, depth=depth, dropout=dropout)

    selector = BestSentences(ExtractiveSummarizer, sentences)
    return WritingSummarizer("trained", make, rate=rate, rounds=rounds, selector=selector)
