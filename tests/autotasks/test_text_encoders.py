"""Pretrained text encoders: how long they are fine-tuned, and what is solved at once."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AlbertConfig, AlbertModel, ResNetConfig, ResNetModel

from autotasks import AutoSummarizer, AutoTask, AutoTextClassifier
from autotasks.encoders import block_numbers
from autotasks.speed import seconds_an_epoch
from autotasks.text_encoders import TextEncoder, Together
from autotasks.tfidf import Terms
from gradfleet import AutoDataset, Objective
from gradfleet.data.feature_cache import FeatureCache
from gradfleet.errors import DataError, ExportError
from gradfleet.tasks import EpochRecord, NamedInputs, TrialPlan
from gradfleet.training.optimizers.layer_rates import LayerRates
from tests.autotasks.small_texts import films

ROOT = Path(__file__).parents[2]


def test_fine_tuning_has_as_many_epochs_as_the_measured_speed_leaves_time_for(encoder: Path, tmp_path: Path) -> None:
    train = AutoTextClassifier(films(80), backbones=[encoder]).data.open().train
    network = TextEncoder(str(encoder), "tiny-bert", 2, strength=0.05, rounds=4)
    network.start(train, FeatureCache(tmp_path, "films"))
    weights = network.head.weight.clone()
    seconds = seconds_an_epoch(network, network.reads(train.inputs))
    assert 0 < seconds < 60
    assert network.head.weight.grad is None
    assert network.head.weight.equal(weights)
    assert network.epochs(train, 15, None) == 4
    assert network.epochs(train, 3, None) == 3
    assert network.epochs(train, 15, 1e6) == 4
    assert network.epochs(train, 15, 1e-9) == 0


@pytest.mark.parametrize(("seconds", "epochs", "own"), [(math.inf, [6, 12], 2), (0.0, [12], None)])
def test_its_records_count_in_parts_of_the_epochs_that_were_asked_for(
    encoder: Path, tmp_path: Path, seconds: float, epochs: list[int], own: int | None
) -> None:
    classifier = AutoTextClassifier(films(80), backbones=[encoder])
    config = classifier.model.space.complete({"architecture": "tiny-bert", "architecture.tiny-bert.rounds": 2})
    deadline = None if math.isinf(seconds) else time.time() + seconds
    plan = TrialPlan(
        0,
        config,
        Objective("val_accuracy", "max"),
        data=classifier.data.prepare(tmp_path / "data"),
        epochs=12,
        deadline=deadline,
        checkpoints=str(tmp_path / "trial"),
    )
    records: list[EpochRecord] = []
    classifier.model.recipe.run(plan, lambda record, checkpoint=None: records.append(record))
    assert [record.epoch for record in records] == epochs
    assert records[-1].metrics.get("own_epochs") == own, "none where the solved head was measured once"


def test_a_fine_tuned_trial_is_replayed_with_the_epochs_that_it_had(encoder: Path, tmp_path: Path) -> None:
    classifier = AutoTextClassifier(films(80), backbones=[encoder])
    classifier.model.narrow({"architecture": "tiny-bert", "architecture.tiny-bert.rounds": 2})
    classifier.fit(trials=1, epochs=4, cluster="inline", store=tmp_path / "g.db", progress=False)
    again = classifier.study.replay(0)
    assert [record.epoch for record in again.history] == [2, 4]
    assert again.same


def test_the_vectors_and_the_words_are_one_classifier(encoder: Path, tmp_path: Path) -> None:
    classifier = AutoTextClassifier(films(120), backbones=[encoder])
    classifier.model.narrow({"architecture": "tiny-bert-frozen"})
    classifier.fit(trials=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert classifier.study.best.value > 0.9
    model = classifier.study.best.model()
    assert classifier.evaluate(films(40, seed=1))["accuracy"] > 0.9
    network = model.model.network
    assert network.head.in_features == 3 * 32, "the mean of each of the last three layers"
    assert network.words.weights.weight.abs().sum() > 0


@pytest.mark.row("ES8")
def test_a_fine_tuned_encoder_goes_back_to_a_folder_of_its_library(encoder: Path, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    classifier = AutoTextClassifier(films(80), backbones=[encoder])
    classifier.model.narrow({"architecture": "tiny-bert"})
    classifier.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    exported = classifier.export(tmp_path / "out", format="transformers")
    assert exported.score is not None
    assert exported.score.measured == pytest.approx(exported.score.recorded)

    network, tokenizer = (one.from_pretrained(tmp_path / "out") for one in (AutoModel, AutoTokenizer))
    head = load_file(tmp_path / "out" / "head.safetensors")
    texts = ["a fine film, and a warm one", "dull"]
    batch = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = torch.cat(network.eval()(**batch, output_hidden_states=True).hidden_states[-3:], dim=2)
    there = batch["attention_mask"][..., None]
    outputs = (states * there).sum(1) / there.sum(1) @ head["weight"].T + head["bias"]
    assert [network.config.id2label[number] for number in outputs.argmax(1).tolist()] == classifier.predict(texts)


def test_words_beside_an_encoder_are_no_folder_of_transformers(encoder: Path, tmp_path: Path) -> None:
    classifier = AutoTextClassifier(films(80), backbones=[encoder])
    classifier.model.narrow({"architecture": "tiny-bert-frozen"})
    classifier.fit(trials=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    with pytest.raises(ExportError, match='Export a trial whose architecture is the network without "-frozen"'):
        classifier.export(tmp_path / "out", format="transformers")


def test_one_long_text_pads_its_own_batch_alone() -> None:
    terms = Terms(scipy.sparse.csr_matrix(np.vstack([np.ones((1, 50)), np.eye(3, 50)]), dtype=np.float32))
    rows = Together((NamedInputs({"vectors": torch.zeros(4, 2)}), terms))
    assert {name: tuple(one.shape) for name, one in rows.take(torch.tensor([1, 2])).items()} == {
        "vectors": (2, 2),
        "terms": (2, 1),
        "counts": (2, 1),
    }
    assert rows.take(torch.tensor([0, 3]))["terms"].shape == (2, 50)


@pytest.mark.parametrize("preset", [AutoTextClassifier, AutoSummarizer])
def test_data_that_was_read_without_a_backbones_tokens_is_refused_before_any_trial(
    encoder: Path, preset: type[AutoTask]
) -> None:
    data = AutoDataset(films(40))
    with pytest.raises(DataError, match=r"no tokens of 'tiny-bert'\. Give the preset what .*PretrainedTokenizer\("):
        preset(data, backbones=[encoder])


def test_no_code_of_a_hub_is_ever_run() -> None:
    said = [file.read_text() for folder in ("src", "autotasks") for file in (ROOT / folder).rglob("*.py")]
    assert len(said) > 100
    assert not [text for text in said if "trust_remote_code=" in text]


def test_blocks_near_the_input_learn_more_slowly_where_the_search_says_so(encoder: Path, tmp_path: Path) -> None:
    train = AutoTextClassifier(films(40), backbones=[encoder]).data.open().train
    network = TextEncoder(str(encoder), "tiny-bert", 2, strength=0.05, decay=0.5)
    network.start(train, FeatureCache(tmp_path, "films"))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    rates = {
        names[id(parameter)]: group["lr"]
        for group in LayerRates("adamw", decay=0.1).groups(network, 1.0)
        for parameter in group["params"]
    }
    assert rates["head.weight"] == 1.0
    assert rates["encoder.encoder.layer.1.output.dense.weight"] == pytest.approx(0.1)
    assert rates["encoder.encoder.layer.0.output.dense.weight"] == pytest.approx(0.05)
    assert rates["encoder.embeddings.word_embeddings.weight"] == pytest.approx(0.025)
    assert rates["encoder.pooler.dense.weight"] == pytest.approx(0.1), "what follows the last block"


def test_the_rates_of_blocks_are_searched_where_a_network_has_several(encoder: Path, tmp_path: Path) -> None:
    for name, groups, inner in (("shared", 1, 1), ("groups", 2, 1), ("inner", 1, 2)):
        AlbertConfig(num_hidden_layers=4, num_hidden_groups=groups, inner_group_num=inner).save_pretrained(
            tmp_path / name
        )
    names = [str(tmp_path / name) for name in ("shared", "groups", "inner", "gone")]
    dimensions = AutoTextClassifier.tuner([str(encoder), *names]).space().names
    found = {name for name in dimensions if name.endswith(".decay")}
    assert found == {f"architecture.{name}.decay" for name in ("tiny-bert", "groups", "inner", "gone")}
    one = AlbertModel(AlbertConfig(hidden_size=8, num_attention_heads=2, intermediate_size=8, vocab_size=9))
    assert set(block_numbers(one).values()) == {0}


def test_blocks_of_a_convolutional_net_are_its_stages_and_many_of_them_count_as_twelve() -> None:
    stages = ResNetConfig(embedding_size=4, hidden_sizes=[4, 4, 4], depths=[1, 2, 1], layer_type="basic")
    numbers = block_numbers(ResNetModel(stages))
    assert sorted(set(numbers.values())) == [0, 1, 2, 3]
    assert numbers["encoder.stages.1.layers.1.layer.0.convolution.weight"] == 2

    deep = TextEncoder("anything", "anything", 2, strength=1.0, decay=0.5)
    deep.encoder = nn.ModuleDict({"blocks": nn.ModuleList(nn.Linear(1, 1) for _ in range(25))})
    assert deep.rate_factors()["encoder.blocks.24.weight"] == 1.0
    assert deep.rate_factors()["encoder.blocks.0.weight"] == pytest.approx(0.5 ** (12 * 24 / 25))
