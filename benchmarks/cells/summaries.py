"""Summaries: ROUGE-1 against the best of each text's references, of what takes sentences and of what writes anew."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas

from autotasks import AutoSummarizer
from autotasks.rouge import rouge1_of
from autotasks.sentences import split_sentences
from benchmarks.cells.kept import Measure, Scores

DATA = ("scitldr_a",)


def lead(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """The first sentence."""
    del budget, backbones
    test = read(name)["test"]
    return {"lead-1": score(test, [split_sentences(text)[0] for text in test["text"]])}


def extractive(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """The preset's best model that takes sentences of the text."""
    return _fitted(name, budget, backbones, "ours, extractive", ["extractive", "lead"])


def abstractive(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """The preset's best model that writes anew."""
    return _fitted(name, budget, backbones, "ours, abstractive", ["rewriter", "writer"])


MEASURED: dict[str, Measure] = {"lead": lead, "extractive": extractive, "abstractive": abstractive}


def _fitted(name: str, budget: float, backbones: Sequence[str], column: str, kinds: Sequence[str]) -> Scores:
    parts = read(name)
    given = {"train": parts["train"][["text", "summary"]], "validation": parts["dev"][["text", "summary"]]}
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        summarizer = AutoSummarizer(given, backbones=backbones)
        choices = [one for one in summarizer.model.space["architecture"].choices if one.split("-")[-1] in kinds]
        summarizer.model.narrow({"architecture": {"choices": choices}})
        summarizer.fit(budget=budget, store=Path(place, "study.db"), progress=False)
        took = time.perf_counter() - started
        print(summarizer.leaderboard(8).to_string(), file=sys.stderr)
        found = summarizer.predict(parts["test"]["text"].tolist())
        trials = len(summarizer.study.trials)
        return {column: score(parts["test"], list(found)), "seconds": took, "trials": trials}


def read(name: str) -> dict[str, pandas.DataFrame]:
    """The table of each part."""
    table = pandas.read_csv(Path(os.environ["GRADFLEET_DATA"], f"{name}.csv.gz")).rename(columns={"document": "text"})
    return {str(part): rows.reset_index(drop=True) for part, rows in table.groupby("split")}


def score(test: pandas.DataFrame, found: Sequence[str]) -> float:
    """The mean over texts of ROUGE-1 against the reference that fits best."""
    references = [json.loads(one) for one in test["all_summaries"]]
    best = [max(rouge1_of([text] * len(known), known)) for text, known in zip(found, references, strict=True)]
    return sum(best) / len(best)
