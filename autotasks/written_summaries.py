"""A summarizer that writes: for the tokens of the data, kept as files; how it writes is tuned on validation rows."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
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
_OWN = "trained"  # the view of the data's own tokenizer
_NUM_MARKS = 2  # of each text, at its start and end
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
        make: Callable[[TextPreparation, Marks], Any],
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
        self._prepare(preparation)
        network = self._make(preparation, self._marks)
        self.writer = Writer(network, self._marks).to(usual_device())
        targets = train.targets.seen_as(self.view)
        lengths = targets.tokens[self.view].lengths.float()
        self.generation = replace(self.generation, max_tokens=int(torch.quantile(lengths, 0.98)) + 8)
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
        """A summary of each text, as the network reads it; of a blank text none."""
        found = [""] * len(inputs)
        for rows, told in self._batches(inputs, generation or self.generation):
            tokens = self.writer.write(inputs.take(rows), told)
            for row, text in zip(rows.tolist(), tokens, strict=True):
                found[row] = self._preparation.decode(text, self.view).strip()
        return found

    def _batches(self, inputs: TextInputs, generation: Generation) -> Iterator[tuple[torch.Tensor, Generation]]:
        """Rows of like length, and how they are written: a text that is shorter than the least of a summary has none.

        Which settings a row gets depends on that row alone, whatever is written beside it.
        """
        there = torch.tensor([bool(text.strip()) for text in inputs.texts], dtype=torch.bool)
        is_short = inputs.lengths <= generation.min_tokens + _NUM_MARKS
        for rows, told in ((is_short & there, replace(generation, min_tokens=0)), (~is_short & there, generation)):
            numbers = rows.nonzero().flatten()
            if len(numbers):
                by_length = numbers[inputs.lengths[numbers].argsort(stable=True)]
                yield from ((batch, told) for batch in torch.split(by_length, self.writer.at_once))

    def tune(self, inputs: TextInputs, wanted: Sequence[str], deadline: float = math.inf) -> None:
        """Take the settings of generation that do best on some of these rows; nothing is trained.

        Args:
            deadline: seconds since 1970; by then all rows can be written with what is taken.
        """
        few, known = inputs.part(0, min(_TUNED_ON, len(inputs))), wanted[:_TUNED_ON]
        best, needed = -math.inf, 0.0
        for one in self._generations(wanted):
            if time.time() + needed > deadline:
                return
            started = time.time()
            score = float(np.mean(rouge1_of(self.write(few, one), known)))
            takes = (time.time() - started) * len(inputs) / len(few)
            if score > best and time.time() + takes < deadline:
                self.generation, best, needed = one, score, takes

    def _generations(self, wanted: Sequence[str]) -> list[Generation]:
        """What is tried, the quickest first."""
        lengths = [len(tokens) - _NUM_MARKS for tokens in self._preparation.encode(wanted, self.view)]
        shortest = [0, int(np.quantile(lengths, 0.25)), int(np.quantile(lengths, 0.5))]
        greedy = [replace(self.generation, min_tokens=least) for least in shortest]
        beams = product((0.6, 1.0, 2.0), greedy[:2])
        return [*greedy, *(replace(one, beams=4, length_penalty=penalty) for penalty, one in beams)]

    def save_pretrained(self, folder: Path) -> None:
        """Write the network, its tokenizer, and how it is told to write.

        Raises:
            ExportError: it reads or copies what no network of transformers does.
        """
        if self._selector.files():
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
        self._prepare(preparation)
        described = json.loads(files[_DESCRIBED])
        self.generation = Generation(**described["generation"])
        self.writer = Writer(writer_of(described["network"]), self._marks).to(usual_device())
        self.writer.network.load_state_dict(load(files[_WEIGHTS]))
        selector = {name: content for name, content in files.items() if name.startswith(_SELECTOR)}
        self._selector.read({name.removeprefix(_SELECTOR): content for name, content in selector.items()}, preparation)

    def _prepare(self, preparation: TextPreparation) -> None:
        tokens = preparation.facts()[self.view]
        end = preparation.encode(["a"], self.view)[0][-1]  # tokenizers put it there themselves
        self._preparation = preparation
        self._marks = Marks(tokens["start_token"], end, tokens["padding_token"])


def pretrained(source: str, view: str, *, rate: float = 3e-4, rounds: int = 6) -> WritingSummarizer:
    """By a pretrained encoder-decoder, or one whose halves begin as a pretrained encoder.

    What the decoder of the latter reads of the encoder (cross-attention) is not pretrained (Rothe et al., 2020,
    arXiv:1907.12461).
    """
    return WritingSummarizer(view, lambda preparation, marks: read_writer(source), rate=rate, rounds=rounds)


def from_scratch(
    *, width: int = 128, depth: int = 2, dropout: float = 0.1, rate: float = 2e-3, rounds: int = 12
) -> WritingSummarizer:
    """By a small one that knows nothing before, in tokens learned from the data."""

    def make(preparation: TextPreparation, marks: Marks) -> Any:
        return small_writer(preparation.facts()[_OWN], marks, width=width, depth=depth, dropout=dropout)

    return WritingSummarizer(_OWN, make, rate=rate, rounds=rounds)


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

    def make(preparation: TextPreparation, marks: Marks) -> Any:
        network = small_copier(preparation.facts()[_OWN], marks, width=width, depth=depth, dropout=dropout)
        network.word_starts.copy_(preparation.word_starts(_OWN))
        return network

    selector = BestSentences(ExtractiveSummarizer, sentences)
    return WritingSummarizer(_OWN, make, rate=rate, rounds=rounds, selector=selector)
