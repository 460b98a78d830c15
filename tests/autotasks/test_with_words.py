"""Networks that are built on a linear classifier on words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from autotasks.text_networks import bag
from autotasks.tfidf import TfidfLinear
from autotasks.with_words import WithWords
from gradfleet.data.examples import ArrayExamples
from gradfleet.data.feature_cache import FeatureCache
from gradfleet.tasks import TextPreparation
from tests.autotasks.small_texts import films

EVERY = torch.arange(80)


@pytest.fixture
def examples() -> ArrayExamples:
    table = films(80)
    inputs = TextPreparation().fit(list(table["text"])).inputs(list(table["text"]))
    return ArrayExamples(inputs, torch.tensor((table["label"] == "good").to_numpy()).long())


def test_a_network_begins_where_the_linear_classifier_is(examples: ArrayExamples, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "films")
    network = bag(vocabulary_size=8_000, padding_token=0, num_outputs=2)
    assert isinstance(network, WithWords)
    network.start(examples, cache)
    linear = TfidfLinear(2)
    linear.start(examples, cache)
    network.eval()
    with torch.no_grad():
        outputs = network(**network.reads(examples.inputs).take(EVERY))
        alone = linear(**linear.reads(examples.inputs).take(EVERY))
    torch.testing.assert_close(outputs, 2 * alone)
    assert not any(one.requires_grad for one in network.words.parameters())


def test_it_learns_from_what_classifiers_say_of_rows_they_have_not_seen(
    examples: ArrayExamples, tmp_path: Path
) -> None:
    random = ArrayExamples(examples.inputs, torch.randint(2, (80,), generator=torch.Generator().manual_seed(0)))
    network = WithWords(nn.Sequential(nn.Linear(1, 2)), 2)
    cache = FeatureCache(tmp_path, "random")
    network.start(random, cache)
    said = network.learns_from(random, cache).inputs.take(EVERY)["said"]  # type: ignore[union-attr]
    known = network.words(**network.words.reads(random.inputs).take(EVERY))
    assert (known.argmax(1) == random.targets).float().mean() == 1.0, "labels without sense are known by heart"
    assert (said.argmax(1) == random.targets).float().mean() < 0.7
