"""A scorer of sentences that also knows a pretrained encoder's vector of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
import torch
from safetensors.torch import load, save

from autotasks.backbones import computing, made_from, read_pretrained, usual_device
from autotasks.sentences import Array
from autotasks.summarizers import TRIED, ExtractiveSummarizer
from gradfleet.tasks import TextPreparation

_ENCODER, _ENCODER_WEIGHTS = "encoder.json", "encoder.safetensors"
_AT_ONCE = 64  # sentences of like length whose vectors are computed together


class EncodedSummarizer(ExtractiveSummarizer):
    """Ridge regression on counts, places, words, and the mean of an encoder's last states over a sentence's tokens.

    Beside the vector, of length 1, stands how near it is to the mean of its text's vectors, to the first sentence's and
    to the nearest of the others. Vectors of training and validation texts are computed once a sweep.

    Args:
        source: a local folder that `save_pretrained` wrote, or a name on the hub.
        view: what the tokens of the encoder's own tokenizer are called in the prepared data.
        Everything else is as for ExtractiveSummarizer.
    """

    def __init__(self, source: str, view: str, *, strength: float = 0.1, terms: int = 5_000) -> None:
        super().__init__(strength=strength, terms=terms)
        self._source = source
        self._view = view
        self._encoder: Any = None

    def rows(self, documents: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
        known = super().rows(documents)
        beside = np.concatenate(list(_beside(documents, self._vectors(documents))))
        return scipy.sparse.hstack([known, scipy.sparse.csr_matrix(beside)], format="csr")

    def files(self) -> dict[str, bytes]:
        encoder = self._network()
        weights = {name: part.detach().cpu().clone() for name, part in encoder.state_dict().items()}
        return {
            **super().files(),
            _ENCODER: json.dumps(encoder.config.to_dict()).encode(),
            _ENCODER_WEIGHTS: save(weights),
        }

    def read(self, files: Mapping[str, bytes], preparation: TextPreparation) -> None:
        super().read(files, preparation)
        self._encoder = made_from(json.loads(files[_ENCODER]))
        self._encoder.load_state_dict(load(files[_ENCODER_WEIGHTS]))

    def _network(self) -> Any:
        if self._encoder is None:
            self._encoder = read_pretrained(self._source).to(usual_device())
        return self._encoder

    def _vectors(self, documents: Sequence[Sequence[str]]) -> Array:
        """Of every sentence, of length 1."""
        parts = []
        for first in range(0, len(documents), TRIED):  # so that the first ones are found by themselves, too
            sentences = [sentence for document in documents[first : first + TRIED] for sentence in document]
            key = ["sentences", self._source, _digest(sentences)]
            parts.append(np.asarray(self.cached(key, partial(self._computed, sentences))))
        return np.concatenate(parts)

    def _computed(self, sentences: Sequence[str]) -> Array:
        inputs = self.preparation.inputs(sentences).seen_as(self._view)
        encoder = self._network()
        found = torch.zeros(len(inputs), encoder.config.hidden_size)
        with computing(encoder):
            for rows in torch.split(inputs.lengths.argsort(stable=True), _AT_ONCE):
                batch = {name: part.to(encoder.device) for name, part in inputs.take(rows).items()}
                states = encoder(**batch).last_hidden_state
                found[rows] = (states * batch["attention_mask"][..., None]).sum(1).cpu()
        return torch.nn.functional.normalize(found).numpy()


def _beside(documents: Sequence[Sequence[str]], vectors: Array) -> Iterator[Array]:
    """Of each document an array (sentences, numbers)."""
    start = 0
    for document in documents:
        own = vectors[start : start + len(document)]
        start += len(document)
        mean = own.mean(0) / max(float(np.linalg.norm(own.mean(0))), 1e-9)
        alike = own @ own.T - 2 * np.eye(len(document))
        near = alike.max(1) if len(document) > 1 else np.zeros(1)
        central = own @ mean
        rank = np.argsort(np.argsort(-central)) / max(1, len(document) - 1)
        yield np.column_stack([own, central, rank, own @ own[0], near])


def _digest(sentences: Sequence[str]) -> str:
    return hashlib.blake2b("\0".join(sentences).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
