"""Summaries that are the best sentences of a text, written anew by a network that may copy."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest
import torch

from autotasks import AutoSummarizer
from autotasks.content_selection import BestSentences
from autotasks.summarizers import ExtractiveSummarizer
from autotasks.views import prepared_by
from autotasks.writers import Generation, Marks, Writer, small_copier, writer_of
from gradfleet import Bundle
from gradfleet.errors import ExportError
from tests.autotasks.test_summarization import reports
from tests.autotasks.test_writing import COPPER, only

MARKS = Marks(start=1, end=2, padding=0)
SENTENCES = torch.tensor([[1, 50, 51, 52, 53, 2, 60, 61, 62, 2], [1, 70, 71, 2, 80, 81, 82, 2, 0, 0]])
FIRST_SENTENCES = [[50, 51, 52, 53], [70, 71]]


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    return {"input_ids": SENTENCES, "attention_mask": SENTENCES.ne(MARKS.padding).long()}


@pytest.fixture
def copier() -> Writer:
    torch.manual_seed(0)
    return Writer(small_copier(300, MARKS, width=64, depth=1, dropout=0.0), MARKS).eval()


def between_marks(tokens: torch.Tensor) -> list[list[int]]:
    return [[token for token in row if token > MARKS.end] for row in tokens.tolist()]


@pytest.mark.parametrize("beams", [1, 3])
def test_before_any_training_it_copies_the_first_sentence(
    copier: Writer, batch: dict[str, torch.Tensor], beams: int
) -> None:
    assert between_marks(copier.write(batch, Generation(beams=beams))) == FIRST_SENTENCES


def test_each_next_token_has_a_probability_whatever_the_padding(copier: Writer, batch: dict[str, torch.Tensor]) -> None:
    known = torch.tensor([[1, 50, 51], [1, 70, 99]])
    said = copier(**batch, decoder_input_ids=known)
    torch.testing.assert_close(said.exp().sum(-1), torch.ones(2, 3))
    short = {name: part[1:, :8] for name, part in batch.items()}
    torch.testing.assert_close(copier(**short, decoder_input_ids=known[1:]), said[1:])


def test_what_was_trained_is_written_as_its_logits_say_and_comes_back_from_its_configuration(
    copier: Writer, batch: dict[str, torch.Tensor]
) -> None:
    targets = torch.tensor([[61, 62, 7, 2], [81, 82, 7, 2]])
    optimizer = torch.optim.Adam(copier.parameters(), 5e-3)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(
            copier(**batch, decoder_input_ids=copier.known(targets)).flatten(0, 1), targets.flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert between_marks(copier.write(batch, Generation())) == between_marks(targets)
    again = writer_of(copier.network.config.to_dict())
    again.load_state_dict(copier.network.state_dict())
    assert between_marks(Writer(again, MARKS).write(batch, Generation(beams=2))) == between_marks(targets)


@pytest.mark.row_part("ES4")
def test_a_rewriter_begins_with_the_sentence_that_matters_and_travels_in_a_bundle(tmp_path: Path) -> None:
    summarizer = only(AutoSummarizer(reports(80)), "rewriter")
    summarizer.model.narrow({"architecture.rewriter.width": 64})
    summarizer.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert summarizer.study.best.value is not None
    assert summarizer.study.best.value > 0.8, "a network from scratch that reads all of a text is at 0.2 here"
    found = summarizer.predict(["", f"Nobody had looked so far! {COPPER}"])
    assert "copper" in found[1]
    done = summarizer.export(tmp_path / "out")
    assert done.score is not None
    assert Bundle.load(tmp_path / "out").predict(["", f"Nobody had looked so far! {COPPER}"]) == found
    with pytest.raises(ExportError, match=r'which no network of transformers does; use format="bundle"'):
        summarizer.export(tmp_path / "folder", format="transformers")


def test_what_is_read_of_a_training_row_was_chosen_without_its_own_summary(tmp_path: Path) -> None:
    table = reports(40)
    table.loc[3, "summary"] = "Nobody had looked so far!"

    def chosen(table: pandas.DataFrame, place: Path) -> list[str]:
        data = AutoSummarizer({"train": table, "validation": reports(5, seed=1)}).data.prepare(place).open()
        selector = BestSentences(lambda: ExtractiveSummarizer(terms=200), 1)
        read = selector.fit(data.train, prepared_by(data.facts), "trained", lambda key, compute: compute())
        return list(read.texts)

    assert chosen(table, tmp_path / "a")[3] == reports(40)["summary"][3]
    assert chosen(table, tmp_path / "a") == list(reports(40)["summary"])
