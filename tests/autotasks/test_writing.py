"""Summaries that are written anew, and sentences scored by a pretrained encoder."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from autotasks import AutoSummarizer
from autotasks.writers import Generation
from gradfleet import Bundle, Choice, Objective
from gradfleet.errors import ExportError, SettingError
from gradfleet.tasks import EpochRecord, TrialPlan
from tests.autotasks.test_summarization import reports

COPPER = "We found that copper improves yield by 7 percent."


def only(summarizer: AutoSummarizer, architecture: str) -> AutoSummarizer:
    summarizer.model.narrow({"architecture": architecture})
    return summarizer


def test_an_encoders_vectors_of_sentences_are_computed_once_and_travel_in_the_bundle(
    encoder: Path, tmp_path: Path
) -> None:
    summarizer = only(AutoSummarizer(reports(60), backbones=[encoder]), "tiny-bert-extractive")
    summarizer.fit(trials=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert summarizer.study.best.value == pytest.approx(1.0)
    kept = Path(summarizer.study.spec["data"]).parent.glob("features-*/manifest.json")
    keys = [json.loads(file.read_text())["features"] for file in kept]
    assert len([key for key in keys if key[0] == "sentences"]) == 2, "those of training and of validation rows"
    done = summarizer.export(tmp_path / "out")
    assert done.score is not None
    assert Bundle.load(tmp_path / "out").predict([f"Nobody had looked so far! {COPPER}"]) == [COPPER]


@pytest.mark.parametrize("architecture", ["writer", "tiny-bert-writer"])
def test_a_network_that_writes_is_measured_after_each_epoch_and_then_told_how_to_write(
    encoder: Path, tmp_path: Path, architecture: str
) -> None:
    summarizer = only(AutoSummarizer(reports(40), backbones=[encoder]), architecture)
    small = {"writer.width": 64, "writer.depth": 1} if architecture == "writer" else {}
    summarizer.model.narrow({f"architecture.{name}": value for name, value in small.items()})
    summarizer.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    first, last = summarizer.study.history(0)
    assert (first.epoch, last.epoch) == (1, 2)
    assert last.metrics["train_loss"] < first.metrics["train_loss"]
    model = summarizer.study.best.model()
    assert isinstance(model.summarizer.generation, Generation)
    found = model.predict(["", COPPER])
    assert all(isinstance(text, str) for text in found)
    assert found == model.predict(["", COPPER])
    summarizer.export(tmp_path / "out")
    assert Bundle.load(tmp_path / "out").predict(["", COPPER]) == found


def test_a_pretrained_encoder_decoder_goes_on_from_where_it_is(encoder: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import BartConfig, BartForConditionalGeneration

    folder = tmp_path / "tiny-bart"
    sizes = {f"{half}_{part}": 1 for half in ("encoder", "decoder") for part in ("layers", "attention_heads")}
    config = BartConfig(vocab_size=300, d_model=16, encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0, **sizes)
    BartForConditionalGeneration(config).save_pretrained(folder)
    for file in encoder.glob("tokenizer*"):
        shutil.copy(file, folder)
    summarizer = AutoSummarizer(reports(30), backbones=[folder])
    kinds = summarizer.model.space["architecture"]
    own = ("extractive", "lead", "rewriter", "writer")
    assert kinds == Choice(*own, "tiny-bart-writer"), "no vectors of an encoder-decoder"
    only(summarizer, "tiny-bart-writer")
    summarizer.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert len(summarizer.predict(["", COPPER])) == 2


@pytest.mark.row("ES8")
@pytest.mark.parametrize("architecture", ["writer", "tiny-bert-writer"])
def test_what_writes_goes_back_to_a_folder_of_its_library(encoder: Path, tmp_path: Path, architecture: str) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    summarizer = only(AutoSummarizer(reports(60), backbones=[encoder]), architecture)
    summarizer.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    exported = summarizer.export(tmp_path / "out", format="transformers")
    assert exported.score is not None
    assert exported.score.measured == pytest.approx(exported.score.recorded, abs=1e-3)

    network = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    text = f"Nobody had looked so far! {COPPER} Sample 3 was kept dry."
    tokens = network.generate(**tokenizer(text, truncation=True, return_tensors="pt"))
    assert [tokenizer.decode(tokens[0], skip_special_tokens=True).strip()] == summarizer.predict([text])


def test_sentences_of_the_text_are_no_folder_of_transformers(tmp_path: Path) -> None:
    summarizer = only(AutoSummarizer(reports(60)), "extractive")
    summarizer.fit(trials=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    with pytest.raises(ExportError, match=r'A ExtractiveSummarizer is no network of transformers; use format="bundle"'):
        summarizer.export(tmp_path / "out", format="transformers")
    assert not (tmp_path / "out").exists()


def test_what_there_is_no_time_to_train_says_how_much_it_needs(tmp_path: Path) -> None:
    summarizer = AutoSummarizer(reports(40))
    config = summarizer.model.space.complete({"architecture": "writer"})
    objective = Objective("val_rouge1", "max")
    data = summarizer.data.prepare(tmp_path)
    plan = TrialPlan(0, config, objective, data=data, epochs=12, deadline=time.time())
    records: list[EpochRecord] = []
    with pytest.raises(SettingError, match=r"needs about \d+ s here for a single epoch, and 0 s are left"):
        summarizer.model.recipe.run(plan, lambda record, checkpoint=None: records.append(record))
    assert records == []


def test_only_long_searches_try_what_writes(encoder: Path) -> None:
    tried = [one["architecture"] for one in AutoSummarizer.portfolio([str(encoder)], seconds=180)]
    assert tried == ["lead", "tiny-bert-extractive", "extractive"]
    assert "tiny-bert-writer" in [one["architecture"] for one in AutoSummarizer.portfolio([str(encoder)], seconds=1800)]
