"""How a trial of summarization runs, and what its checkpoint gives."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pandas

from autotasks.rouge import NAMES, rouge
from autotasks.summarizers import Summarizer
from autotasks.tfidf import text_inputs
from gradfleet import Tuner
from gradfleet.errors import DataError
from gradfleet.tasks import (
    ArrayExamples,
    DataFacts,
    EpochRecord,
    Evaluation,
    FeatureCache,
    Report,
    TrialPlan,
    digest_of,
    inputs_of,
    is_table,
    labelled_arrays,
    labelled_table,
    read_checkpoint,
    write_checkpoint,
)


@dataclass(frozen=True)
class SummaryRecipe:
    """Fits the summarizer that a config names, and measures it once on the validation rows."""

    tuner: Tuner

    @property
    def brings_data(self) -> bool:
        return False

    def missing(self, *, has_data: bool) -> list[str]:
        return [] if has_data else ["A search of summarizers needs data: texts and their summaries."]

    def functions(self) -> list[Callable[..., Any]]:
        return list(self.tuner.builders().values())

    def identity(self) -> Mapping[str, Any]:
        return {name: digest_of(make) for name, make in self.tuner.builders().items()}

    def record_names(self, facts: DataFacts) -> tuple[str, ...]:
        del facts
        return (*(f"val_{name}" for name in NAMES), "train_seconds")

    def run(self, plan: TrialPlan, report: Report) -> None:
        assert plan.data is not None, "AutoModel.fit refuses a search without data"
        started = time.perf_counter()
        data = plan.data.open()
        train, validation = _texts(data.train), _texts(data.validation)
        summarizer: Summarizer = self.tuner.build_network(plan.config, data.facts)
        summarizer.fit(*train, FeatureCache.of(plan.data).array)
        seconds = time.perf_counter() - started
        scores = rouge(summarizer.summarize(validation[0]), validation[1])
        metrics = {f"val_{name}": float(score.mean()) for name, score in scores.items()} | {"train_seconds": seconds}
        extra = {"config": dict(plan.config), "facts": data.facts.to_json()}
        # As after the last epoch: there is nothing more to learn.
        report(EpochRecord(plan.epochs, metrics), write_checkpoint(plan, plan.epochs, summarizer.files(), extra))

    def load(self, checkpoint: Path) -> SummaryPredictor:
        files, extra = read_checkpoint(checkpoint)
        facts = DataFacts.from_json(extra["facts"])
        summarizer: Summarizer = self.tuner.build_network(extra["config"], facts)
        summarizer.read(files)
        return SummaryPredictor(summarizer, facts)


class SummaryPredictor:
    """Writes summaries of texts.

    Attributes:
        summarizer: the fitted one.
        facts: of the training data.
    """

    labels = None

    def __init__(self, summarizer: Summarizer, facts: DataFacts) -> None:
        self.summarizer = summarizer
        self.facts = facts

    def predict(self, items: Any) -> list[str]:
        """A summary of each text; of a table with the column of training, too."""
        return self.summarizer.summarize(list(text_inputs(inputs_of(items, self.facts)).texts))

    def predict_proba(self, items: Any) -> NoReturn:
        raise DataError("A summary has no probabilities; use predict().")

    def evaluate(self, data: Any) -> Evaluation:
        """ROUGE over texts with their summaries; `.details["rows"]` has each row's, the worst first."""
        texts, wanted = _texts(self._labelled(data))
        found = self.summarizer.summarize(texts)
        scores = rouge(found, wanted)
        rows = pandas.DataFrame({**scores, "summary": found, "wanted": wanted}).sort_values("rouge1", kind="stable")
        return Evaluation({name: float(score.mean()) for name, score in scores.items()}, {"rows": rows})

    def _labelled(self, data: Any) -> Any:
        if isinstance(data, ArrayExamples):
            return data
        if isinstance(data, tuple) and len(data) == 2:
            return labelled_arrays(*data, self.facts)
        if isinstance(data, str | os.PathLike) or is_table(data):
            return labelled_table(data, self.facts)
        raise DataError(f"Texts and their summaries are needed, as a table or a pair, got {type(data).__name__}.")


def _texts(part: Any) -> tuple[list[str], list[str]]:
    return list(part.inputs.texts), list(part.targets.texts)
