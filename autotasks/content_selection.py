"""What a summarizer reads before it writes: the whole text, or the sentences of it that matter most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from autotasks.sentences import Array, best_places, split_all
from autotasks.summarizers import Cached, ExtractiveSummarizer
from autotasks.tfidf import text_inputs
from gradfleet.tasks import ArrayExamples, TextInputs, TextPreparation, TextTargets

_FOLDS = 5


class ContentSelector(Protocol):
    """Chooses what of a text is read, in the tokens of one view."""

    def fit(self, train: ArrayExamples, preparation: TextPreparation, view: str, cached: Cached) -> TextInputs:
        """Learn from training rows how to choose; what is read of those rows."""
        ...

    def select(self, inputs: TextInputs, view: str) -> TextInputs:
        """What is read of other texts."""
        ...

    def files(self) -> dict[str, bytes]:
        """Everything learned, by file name."""
        ...

    def read(self, files: Mapping[str, bytes], preparation: TextPreparation) -> None:
        """Become what `files` wrote."""
        ...


class WholeTexts:
    """Everything is read."""

    def fit(self, train: ArrayExamples, preparation: TextPreparation, view: str, cached: Cached) -> TextInputs:
        del preparation, cached
        return self.select(text_inputs(train.inputs), view)

    def select(self, inputs: TextInputs, view: str) -> TextInputs:
        return inputs.seen_as(view)

    def files(self) -> dict[str, bytes]:
        return {}

    def read(self, files: Mapping[str, bytes], preparation: TextPreparation) -> None:
        """There is nothing to know."""


class BestSentences:
    """The sentences that an extractive summarizer scores highest, the best of them first, an end mark behind each.

    As Chen and Bansal, 2018, arXiv:1805.11080, who choose sentences and then write them anew. What is read of a
    training row is chosen by a scorer that was fitted without it (in one of 5 parts, where there are as many rows):
    those sentences are as good, and as bad, as what will be read of other texts.

    Args:
        make: an unfitted scorer.
        count: of sentences, at most.
    """

    def __init__(self, make: Callable[[], ExtractiveSummarizer], count: int) -> None:
        self._make = make
        self._count = count
        self._scorer = make()

    def fit(self, train: ArrayExamples, preparation: TextPreparation, view: str, cached: Cached) -> TextInputs:
        assert isinstance(train.targets, TextTargets)
        texts, summaries = list(text_inputs(train.inputs).texts), list(train.targets.texts)
        self._preparation = preparation
        self._scorer.cached = cached
        documents = split_all(texts)
        amounts = self._scorer.amounts(documents, summaries)
        self._scorer.solve(documents, np.concatenate(amounts))
        return self._best(documents, self._unseen_scores(documents, amounts), view)

    def select(self, inputs: TextInputs, view: str) -> TextInputs:
        documents = split_all(inputs.texts)
        return self._best(documents, self._scorer.scores(documents), view)

    def files(self) -> dict[str, bytes]:
        return self._scorer.files()

    def read(self, files: Mapping[str, bytes], preparation: TextPreparation) -> None:
        self._preparation = preparation
        self._scorer.read(files, preparation)

    def _best(self, documents: Sequence[Sequence[str]], scores: Sequence[Array], view: str) -> TextInputs:
        best = [
            [document[place] for place in best_places(own, self._count)]
            for document, own in zip(documents, scores, strict=True)
        ]
        return self._preparation.inputs_of_parts(best, view)

    def _unseen_scores(self, documents: Sequence[Sequence[str]], amounts: Sequence[Array]) -> list[Array]:
        """Of the sentences of training texts, each by a scorer that was fitted without its text."""
        from sklearn.model_selection import KFold

        if len(documents) < _FOLDS:
            return self._scorer.scores(documents)
        found: list[Array] = [np.zeros(0)] * len(documents)
        for rest, part in KFold(_FOLDS, shuffle=True, random_state=0).split(documents):
            scorer = self._make()
            scorer.solve([documents[row] for row in rest], np.concatenate([amounts[row] for row in rest]))
            for row, scores in zip(part, scorer.scores([documents[row] for row in part]), strict=True):
                found[row] = scores
        return found
