"""Text networks that train from scratch beside a linear classifier on words; builders take what is searched."""

from __future__ import annotations

import torch
from torch import nn

from autotasks.with_words import WithWords


class BagOfTokens(nn.Module):
    """Mean and maximum of the tokens' vectors, through one layer: fast, and hard to beat on small data."""

    def __init__(self, vocabulary_size: int, padding_token: int, num_outputs: int, *, width: int, dropout: float):
        super().__init__()
        self.vectors = nn.Embedding(vocabulary_size, width, padding_idx=padding_token)
        nn.init.normal_(self.vectors.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, num_outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        there = attention_mask[..., None].bool()
        vectors = self.dropout(self.vectors(input_ids))
        mean = vectors.masked_fill(~there, 0).sum(1) / attention_mask.sum(1, keepdim=True).clamp(min=1)
        largest = vectors.masked_fill(~there, -1e4).amax(1)
        outputs: torch.Tensor = self.head(torch.cat([mean, largest], dim=1))
        return outputs


class TextCnn(nn.Module):
    """Convolutions over 3, 4 and 5 tokens, each the maximum over the text (Kim, 2014, arXiv:1408.5882)."""

    def __init__(
        self, vocabulary_size: int, padding_token: int, num_outputs: int, *, width: int, channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary_size, width, padding_idx=padding_token)
        nn.init.normal_(self.vectors.weight, std=0.1)
        self.before = nn.Dropout(dropout / 2)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, channels, size, padding=size // 2) for size in (3, 4, 5))
        self.after = nn.Dropout(dropout)
        self.head = nn.Linear(3 * channels, num_outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        there = attention_mask[:, None].to(self.head.weight.dtype)
        vectors = self.before(self.vectors(input_ids)).transpose(1, 2) * there
        found = [convolution(vectors).relu().amax(2) for convolution in self.convolutions]
        outputs: torch.Tensor = self.head(self.after(torch.cat(found, dim=1)))
        return outputs


class TextTransformer(nn.Module):
    """A small transformer encoder with learned places, and the mean of what it says of each token."""

    def __init__(
        self,
        vocabulary_size: int,
        padding_token: int,
        num_outputs: int,
        max_length: int,
        *,
        width: int,
        depth: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary_size, width, padding_idx=padding_token)
        nn.init.normal_(self.vectors.weight, std=0.1)
        self.places = nn.Parameter(torch.randn(max_length, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, max(1, width // 32), 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_outputs))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        vectors = self.vectors(input_ids) + self.places[: input_ids.shape[1]]
        # An empty text has nothing to attend to, which would make its outputs NaN: its padding is read instead.
        absent = (attention_mask == 0) & (attention_mask.sum(1, keepdim=True) > 0)
        states = self.norm(self.encoder(vectors, src_key_padding_mask=absent))
        there = (~absent)[..., None].to(states.dtype)
        outputs: torch.Tensor = self.head((states * there).sum(1) / there.sum(1))
        return outputs


def bag(
    vocabulary_size: int, padding_token: int, num_outputs: int, *, width: int = 128, dropout: float = 0.3
) -> nn.Module:
    """A bag of token vectors."""
    network = BagOfTokens(vocabulary_size, padding_token, num_outputs, width=width, dropout=dropout)
    return WithWords(network, num_outputs)


def cnn(
    vocabulary_size: int,
    padding_token: int,
    num_outputs: int,
    *,
    width: int = 128,
    channels: int = 64,
    dropout: float = 0.5,
) -> nn.Module:
    """A convolutional net over the tokens."""
    network = TextCnn(vocabulary_size, padding_token, num_outputs, width=width, channels=channels, dropout=dropout)
    return WithWords(network, num_outputs)


def transformer(
    vocabulary_size: int,
    padding_token: int,
    num_outputs: int,
    max_length: int,
    *,
    width: int = 128,
    depth: int = 2,
    dropout: float = 0.2,
) -> nn.Module:
    """A small transformer; `width` is rounded to a multiple of 32, one head each."""
    width = max(32, width // 32 * 32)
    network = TextTransformer(
        vocabulary_size, padding_token, num_outputs, max_length, width=width, depth=depth, dropout=dropout
    )
    return WithWords(network, num_outputs)
