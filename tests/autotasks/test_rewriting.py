"""Summaries that are the best sentences of a text, written anew by a network that may copy."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
import torch

from autotasks import AutoSummarizer
from autotasks.content_selection import BestSentences
from autotasks.summarizers import ExtractiveSummarizer
from autotasks.views import prepared_by
from autotasks.writers import Generation, Marks, Writer, small_copier, writer_of
from gradfleet import AutoDataset, Bundle
from gradfleet.errors import ExportError
from gradfleet.tasks import TextPreparation, TrainedTokenizer
from tests.autotasks.test_summarization import reports
from tests.autotasks.test_writing import COPPER, only

MARKS = Marks(start=1, end=2, padding=0)
TOKENS = {"vocabulary_size": 300, "max_length": 64}
SENTENCES = torch.tensor([[1, 50, 51, 52, 53, 2, 60, 61, 62, 2], [1, 70, 71, 2, 80, 81, 82, 2, 0, 0]])
FIRST_SENTENCES = [[50, 51, 52, 53], [70, 71]]


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    return {"input_ids": SENTENCES, "attention_mask": SENTENCES.ne(MARKS.padding).long()}


@pytest.fixture
def copier() -> Writer:
    torch.manual_seed(0)
    return Writer(small_copier(TOKENS, MARKS, width=64, depth=1, dropout=0.0), MARKS).eval()


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
    known = torch.cat([torch.full_like(targets[:, :1], MARKS.start), targets[:, :-1]], dim=1)
    optimizer = torch.optim.Adam(copier.parameters(), 5e-3)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(
            copier(**batch, decoder_input_ids=known).flatten(0, 1), targets.flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert between_marks(copier.write(batch, Generation())) == between_marks(targets)
    again = writer_of(copier.network.config.to_dict())
    again.load_state_dict(copier.network.state_dict())
    assert between_marks(Writer(again, MARKS).write(batch, Generation(beams=2))) == between_marks(targets)


def test_runs_that_come_twice_are_copied_where_their_surroundings_differ(copier: Writer) -> None:
    texts = torch.tensor([[1, 50, 51, 60, 61, 50, 51, 62, 63, 2], [1, 50, 51, 52, 60, 50, 51, 52, 61, 2]])
    copied = copier.write({"input_ids": texts, "attention_mask": torch.ones_like(texts)}, Generation())
    assert between_marks(copied) == between_marks(texts)


def test_a_token_that_nothing_speaks_for_is_still_learned(copier: Writer, batch: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        copier.network.gate.bias.fill_(-40.0)
    said = copier(**batch, decoder_input_ids=torch.tensor([[1], [1]]))
    (gradient,) = torch.autograd.grad(said[0, 0, 200], copier.network.gate.bias)
    assert gradient.item() > 0
    assert said[0, 0, 200].isfinite()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_keeps_probabilities(
    copier: Writer, batch: dict[str, torch.Tensor], dtype: torch.dtype
) -> None:
    with torch.autocast("cpu", dtype):
        said = copier(**batch, decoder_input_ids=torch.tensor([[1, 50], [1, 70]]))
    torch.testing.assert_close(said.exp().sum(-1), torch.ones(2, 2), atol=1e-3, rtol=0)


@pytest.mark.row_part("ES4")
def test_a_rewriter_begins_with_the_sentence_that_matters_and_travels_in_a_bundle(tmp_path: Path) -> None:
    summarizer = only(AutoSummarizer(reports(80)), "rewriter")
    summarizer.model.narrow({"architecture.rewriter.width": 64})
    summarizer.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert summarizer.study.best.value is not None
    assert summarizer.study.best.value > 0.8, "a network from scratch that reads all of a text is at 0.2 here"
    texts = ["", " \n", f"Nobody had looked so far! {COPPER}", "Short. Bye."]
    found = summarizer.predict(texts)
    assert found[:2] == ["", ""]
    assert "copper improves yield" in found[2]
    assert [summarizer.predict([text])[0] for text in texts] == found, "whatever is written beside it"
    done = summarizer.export(tmp_path / "out")
    assert done.score is not None
    assert done.score.measured == pytest.approx(done.score.recorded, abs=1e-6)
    assert Bundle.load(tmp_path / "out").predict(texts) == found
    with pytest.raises(ExportError, match=r'which no network of transformers does; use format="bundle"'):
        summarizer.export(tmp_path / "folder", format="transformers")
    with pytest.raises(
        ExportError, match=r"model of a SummaryPredictor is not one network from inputs to outputs; use"
    ):
        summarizer.export(tmp_path / "graph", format="onnx")


def test_words_that_were_never_seen_are_copied_as_they_are(tmp_path: Path) -> None:
    summarizer = only(AutoSummarizer(reports(40)), "rewriter")
    summarizer.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    rewriter = summarizer.study.best.model().summarizer
    rewriter.generation = replace(rewriter.generation, min_tokens=0, max_tokens=64)
    texts = ["靐先生说李先生走了。", "🦑🐙 is here, 🦑🐙 was here.", "Jones met NASA in Rome."]
    assert rewriter.summarize(texts) == texts


@pytest.mark.parametrize("rows", [1, 4])
def test_a_handful_of_texts_is_enough_to_begin(tmp_path: Path, rows: int) -> None:
    data = {"train": reports(rows), "validation": reports(2, seed=1)}
    summarizer = only(AutoSummarizer(data), "rewriter")
    summarizer.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert len(summarizer.predict([COPPER, "x" * 2000])) == 2


def test_texts_may_be_longer_than_a_thousand_tokens(tmp_path: Path) -> None:
    table = reports(6)
    table["text"] += " dry" * 1500
    preparation = TextPreparation({"trained": TrainedTokenizer(300)}, max_length=1400)
    data = AutoDataset(table, inputs="text", target="summary", kind="text", preparation=preparation)
    summarizer = only(AutoSummarizer(data), "writer")
    summarizer.model.narrow({"architecture.writer.width": 64, "architecture.writer.depth": 1})
    summarizer.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert len(summarizer.predict([table["text"][0]])) == 1


def test_writing_is_tuned_as_far_as_the_time_goes(tmp_path: Path) -> None:
    summarizer = only(AutoSummarizer(reports(30)), "rewriter")
    summarizer.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    rewriter = summarizer.study.best.model().summarizer
    inputs = prepared_by(summarizer.study.best.model().facts).inputs([COPPER] * 4).seen_as("trained")
    rewriter.generation = untuned = Generation(max_tokens=16)
    rewriter.tune(inputs, [COPPER] * 4, deadline=time.time() - 1)
    assert rewriter.generation == untuned
    rewriter.tune(inputs, [COPPER] * 4)
    assert rewriter.generation.max_tokens == 16


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
