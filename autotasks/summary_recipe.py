"""How a trial of summarization runs, and what its checkpoint gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pandas

from autotasks.rouge import NAMES, rouge
from autotasks.summarizers import Summarizer
from autotasks.tfidf import text_inputs
from autotasks.views import prepared_by
from autotasks.writing_trial import WritingTrial
from autotasks.written_summaries import WritingSummarizer
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
    labelled,
    read_checkpoint,
    said_of_trained,
    seed_everything,
    write_checkpoint,
)

AnySummarizer = Summarizer | WritingSummarizer


@dataclass(frozen=True)
class SummaryRecipe:
    """Fits the summarizer that a config names, and measures it on the validation rows: once, or after each epoch."""

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
        summarizer: AnySummarizer = self.tuner.build_network(plan.config, data.facts)
        tell = _Told(plan, summarizer, {"config": dict(plan.config), "facts": data.facts.to_json()}, report)
        seed_everything(plan.seed)
        if isinstance(summarizer, WritingSummarizer):
            train, held = data.train, data.validation
            assert isinstance(train, ArrayExamples), "texts are always prepared"
            assert isinstance(held, ArrayExamples)
            seen = summarizer.start(prepared_by(data.facts), train, FeatureCache.of(plan.data).array)
            WritingTrial(plan, summarizer, seen, summarizer.seen(held), tell).run()
            return
        validation = _texts(data.validation)
        summarizer.fit(*_texts(data.train), FeatureCache.of(plan.data).array, prepared_by(data.facts))
        seconds = time.perf_counter() - started
        scores = rouge(summarizer.summarize(validation[0]), validation[1])
        metrics = {f"val_{name}": float(score.mean()) for name, score in scores.items()}
        tell(plan.epochs, metrics | {"train_seconds": seconds})  # there is nothing more to learn

    def load(self, checkpoint: Path) -> SummaryPredictor:
        files, extra = read_checkpoint(checkpoint)
        facts = DataFacts.from_json(extra["facts"])
        summarizer: AnySummarizer = self.tuner.build_network(extra["config"], facts)
        summarizer.read(files, prepared_by(facts))
        return SummaryPredictor(summarizer, facts)


class _Told:
    """Reports what is measured after an epoch; those that are the best so far have a checkpoint."""

    def __init__(self, plan: TrialPlan, summarizer: AnySummarizer, extra: Mapping[str, Any], report: Report) -> None:
        self._plan = plan
        self._summarizer = summarizer
        self._extra = extra
        self._report = report
        self._best = plan.best

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        rank, address = self._plan.objective.rank(metrics), None
        if self._best is None or rank < self._best:
            self._best = rank
            address = write_checkpoint(self._plan, epoch, self._summarizer.files(), self._extra)
        self._report(EpochRecord(epoch, dict(metrics)), address)


class SummaryPredictor:
    """Writes summaries of texts.

    Attributes:
        summarizer: the fitted one.
        facts: of the training data.
        trained_on: the prepared folder of that data, where it is known; `evaluate` counts its rows.
    """

    labels = None
    trained_on: Path | None = None

    def __init__(self, summarizer: AnySummarizer, facts: DataFacts) -> None:
        self.summarizer = summarizer
        self.facts = facts

    def predict(self, items: Any) -> list[str]:
        """A summary of each text; of a table with the column of training, too."""
        return self.summarizer.summarize(list(text_inputs(inputs_of(items, self.facts)).texts))

    def predict_proba(self, items: Any) -> NoReturn:
        raise DataError("A summary has no probabilities; use predict().")

    def evaluate(self, data: Any) -> Evaluation:
        """ROUGE over texts with their summaries; `.details["rows"]` has each row's, the worst first.

        `notes` says how many of the texts it was trained on.
        """
        examples = labelled(data, self.facts).examples
        texts, wanted = _texts(examples)
        measured = self.compare(self.summarizer.summarize(texts), wanted)
        measured.notes = said_of_trained(examples, self.trained_on)
        return measured

    def compare(self, found: Sequence[str], wanted: Sequence[str]) -> Evaluation:
        """ROUGE of summaries that were written already."""
        scores = rouge(found, wanted)
        rows = pandas.DataFrame({**scores, "summary": found, "wanted": wanted}).sort_values("rouge1", kind="stable")
        return Evaluation({name: float(score.mean()) for name, score in scores.items()}, {"rows": rows})

    def save_pretrained(self, folder: Path) -> None:
        """Write what `AutoModelForSeq2SeqLM` and `AutoTokenizer` of transformers load, with its settings of generation.

        Raises:
            ExportError: the summarizer takes sentences of the text, by no network of transformers.
        """
        self.summarizer.save_pretrained(folder)


def _texts(part: Any) -> tuple[list[str], list[str]]:
    if not isinstance(part, ArrayExamples):
        raise DataError(f"Texts and their summaries are needed, as a table or a pair, got {type(part).__name__}.")
    inputs: Any = part.inputs
    targets: Any = part.targets
    return list(inputs.texts), list(targets.texts)
