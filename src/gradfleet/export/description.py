"""What stands beside an exported graph or program, so that whoever has the folder alone can use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gradfleet.data.items import inputs_of
from gradfleet.data.language import TextInputs, TextPreparation
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.rows_by_name import RowsByName
from gradfleet.export.pretrained_folder import Writes
from gradfleet.export.score import INPUTS, rows_of
from gradfleet.export.trained import Trained
from gradfleet.training.data_network import DataNetwork
from gradfleet.trials.predictor import ModelPredictor

DESCRIBED = "gradfleet.json"
"""Labels, preparation, what the network learned beside its weights, its temperature, and where it comes from."""

TOKENIZER = "tokenizer.json"
"""For `tokenizers.Tokenizer.from_file`: it cuts texts and fills up batches as in training."""

_TEXTS = ("One text of several words.", "Another text, which is longer than the first.")


def example_of(trained: Trained) -> dict[str, torch.Tensor]:
    """A few inputs of the type that the network learned from, by name."""
    predictor = trained.network
    facts, network = predictor.facts, predictor.model.network
    if facts.tokens:
        return _read_texts(predictor).take(torch.arange(len(_TEXTS)))
    if trained.data is not None and trained.data.exists():
        rows = rows_of(trained.open_data().validation, network)[0]
        return {name: tensor[:2] for name, tensor in rows.items()}
    dtype = torch.uint8 if facts.preparation is not None else torch.float32
    return {INPUTS: torch.zeros((2, *facts.input_shape), dtype=dtype)}


def describe_inputs(trained: Trained, example: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Describe a graph or program that takes inputs such as the example; where it reads tokens, with its tokenizer."""
    predictor = trained.network
    shapes = {name: _described(tensor, is_text=bool(predictor.facts.tokens)) for name, tensor in example.items()}
    describe(trained, folder, {"inputs": shapes})
    if predictor.facts.tokens and isinstance(read := _read_texts(predictor), TextInputs):
        _prepares_texts(predictor.facts).save_tokenizer(folder / TOKENIZER, read.view)


def describe(trained: Trained, folder: Path, more: Mapping[str, Any] | None = None) -> None:
    """Write everything that is known of the model beside its weights.

    Args:
        more: further JSON.
    """
    predictor = trained.predictor if isinstance(trained.predictor, Writes) else trained.network
    facts = predictor.facts.to_json()
    kept = {name: facts[name] for name in ("kind", "labels", "input_shape", "preparation")}
    if isinstance(predictor, ModelPredictor):
        kept["temperature"] = predictor.temperature
        if isinstance(network := predictor.model.network, DataNetwork):
            kept["learned"] = network.learned()
    described = {**kept, **(more or {}), "about": dict(trained.about)}
    (folder / DESCRIBED).write_text(json.dumps(described, indent=1, ensure_ascii=False), encoding="utf-8")


def _described(tensor: torch.Tensor, *, is_text: bool) -> dict[str, Any]:
    """Its type and shape; the rows, and of texts also their length, may be of any number."""
    sizes = ["rows", "length"] if is_text else ["rows", *tensor.shape[1:]]
    return {"type": str(tensor.dtype).removeprefix("torch."), "shape": sizes}


def _read_texts(predictor: ModelPredictor) -> RowsByName:
    """A few texts as the network reads them."""
    texts, network = inputs_of(_TEXTS, predictor.facts), predictor.model.network
    read = network.reads(texts) if isinstance(network, DataNetwork) else texts
    assert not isinstance(read, torch.Tensor), "texts are read by name"
    return read


def _prepares_texts(facts: DataFacts) -> TextPreparation:
    preparation = preparation_from_json(facts.preparation or {})
    assert isinstance(preparation, TextPreparation), "only it makes tokens"
    return preparation
