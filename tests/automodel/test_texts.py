"""A search over texts: from a table to predictions on strings."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gradfleet import AutoDataset, AutoModel, Choice, Int, Tuner


class WordBag(nn.Module):
    """The mean of the tokens' vectors, through one layer."""

    def __init__(self, vocabulary_size: int, num_outputs: int, padding_token: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary_size, width, padding_idx=padding_token)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        total = self.vectors(input_ids).sum(1)
        return self.head(total / attention_mask.sum(1, keepdim=True).clamp(min=1))


def word_bag(vocabulary_size: int, num_outputs: int, padding_token: int, width: int = 16) -> nn.Module:
    return WordBag(vocabulary_size, num_outputs, padding_token, width)


def test_a_table_of_texts_is_searched_and_strings_are_predicted(tmp_path: Path) -> None:
    table = {
        "text": [f"{'lovely' if n % 2 else 'dreadful'} film {n} and {'more ' * (n % 7)}" for n in range(120)],
        "label": ["pos" if n % 2 else "neg" for n in range(120)],
    }
    tuner = Tuner()
    tuner.architecture("bag", word_bag, width=Int(8, 32))
    tuner.optimizer("adamw", learning_rate=Choice(0.05))
    model = AutoModel(tuner).compile(metrics=["accuracy"])
    study = model.fit(
        AutoDataset(table), trials=2, epochs=4, cluster="inline", store=tmp_path / "study.db", progress=False
    )
    best = study.best.model()
    assert study.best.value == 1.0
    assert best.predict(["a lovely film", "a dreadful film", ""])[:2] == ["pos", "neg"]
    assert best.predict([{"text": "lovely"}]) == ["pos"]
    assert best.predict_proba(["lovely"]).shape == (1, 2)
    held_out = {"text": ["a lovely one", "dreadful"], "label": ["pos", "neg"]}
    assert best.evaluate(held_out)["accuracy"] == 1.0
    assert best.evaluate((held_out["text"], held_out["label"]))["accuracy"] == 1.0
