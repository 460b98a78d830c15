"""A search over texts as somebody writes it by hand, with the networks that the preset has too."""

from __future__ import annotations

import time

import optuna
import pandas
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional

from autotasks.text_networks import BagOfTokens, TextCnn
from benchmarks.cells.by_hand import searched

_TOKENS, _LONGEST = 8_000, 256

Encoded = tuple[list[list[int]], torch.Tensor]
"""Numbers of tokens of each text, and the numbers of their labels."""


def searched_by_hand(
    train: pandas.DataFrame, held: pandas.DataFrame, test: pandas.DataFrame, budget: float
) -> list[str]:
    """Labels of the test texts by the network that validated best on `held` within `budget` seconds."""
    ends = time.perf_counter() + budget
    tokenizer = _tokenizer(train["text"].tolist())
    labels = sorted(train["label"].unique())
    parts = [(_encoded(tokenizer, part), _numbers(part, labels)) for part in (train, held)]
    network = searched(_Texts(*parts, len(labels)), ends)
    return [labels[number] for number in _outputs(network, _encoded(tokenizer, test)).argmax(1).tolist()]


class _Texts:
    def __init__(self, train: Encoded, held: Encoded, num_outputs: int) -> None:
        self._train, self._held, self._num_outputs = train, held, num_outputs

    def network(self, trial: optuna.Trial) -> nn.Module:
        width = trial.suggest_int("width", 32, 256, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.6)
        if trial.suggest_categorical("network", ["bag", "cnn"]) == "bag":
            return BagOfTokens(_TOKENS, 0, self._num_outputs, width=width, dropout=dropout)
        channels = trial.suggest_int("channels", 32, 256, log=True)
        return TextCnn(_TOKENS, 0, self._num_outputs, width=width, channels=channels, dropout=dropout)

    def train(self, network: nn.Module, optimizer: torch.optim.Optimizer, *, ends: float) -> None:
        tokens, targets = self._train
        network.train()
        for rows in torch.randperm(len(tokens)).split(32):
            if time.perf_counter() > ends:
                return
            loss = functional.cross_entropy(network(*_batch([tokens[row] for row in rows.tolist()])), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def accuracy(self, network: nn.Module) -> float:
        tokens, targets = self._held
        return float((_outputs(network, tokens).argmax(1) == targets).float().mean())


def _tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_TOKENS, special_tokens=["<pad>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text.lower() for text in texts], trainer)
    return tokenizer


def _encoded(tokenizer: Tokenizer, part: pandas.DataFrame) -> list[list[int]]:
    return [one.ids[:_LONGEST] or [0] for one in tokenizer.encode_batch([text.lower() for text in part["text"]])]


def _numbers(part: pandas.DataFrame, labels: list[str]) -> torch.Tensor:
    return torch.tensor([labels.index(label) for label in part["label"]])


def _batch(tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(5, *map(len, tokens))
    numbers = torch.tensor([row + [0] * (longest - len(row)) for row in tokens])
    there = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in tokens])
    return numbers, there


def _outputs(network: nn.Module, tokens: list[list[int]]) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(*_batch(tokens[first : first + 64])) for first in range(0, len(tokens), 64)])
