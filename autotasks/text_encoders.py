"""Pretrained text encoders: a linear classifier on their vectors, solved at once, and fine-tuning that begins there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from autotasks.backbones import computing, made_from, read_pretrained, usual_device
from autotasks.encoders import PretrainedEncoder
from autotasks.linear import hinge, solve
from autotasks.speed import seconds_an_epoch
from autotasks.tfidf import TfidfLinear, text_inputs
from autotasks.views import prepared_by
from gradfleet.errors import ExportError
from gradfleet.tasks import ArrayExamples, DataFacts, FeatureCache, Inputs, NamedInputs, RowsByName, TextInputs

_FEWEST_EPOCHS = 2  # with fewer, fine-tuning ends below the solved head that it begins with
_LAYERS = 3
_HEAD = "head.safetensors"
_AT_ONCE = 64  # texts of like length whose vectors are computed together


@dataclass(frozen=True, slots=True)
class Together:
    """Rows that give, batch by batch, what each of several gives; one long text pads no more than its own batch."""

    parts: tuple[RowsByName, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: tensor for part in self.parts for name, tensor in part.take(rows).items()}


class TextEncoder(PretrainedEncoder):
    """A transformers encoder, the means of its later layers' states over the tokens, and a linear layer.

    Later layers are made for what the encoder was trained on, so those before them often tell more of another task
    (Tenney et al., 2019, arXiv:1905.05950).

    Args:
        view: what the tokens of this encoder's own tokenizer are called in the prepared data.
        rounds: epochs of fine-tuning where there is time for them; with time for fewer than two, none.
        Everything else is as for PretrainedEncoder.
    """

    def __init__(
        self,
        source: str,
        view: str,
        num_outputs: int,
        *,
        strength: float,
        dropout: float = 0.0,
        rounds: int = 4,
        decay: float = 1.0,
    ) -> None:
        super().__init__(source, num_outputs, strength=strength, decay=decay)
        self._view = view
        self._rounds = rounds
        self.dropout = nn.Dropout(dropout)

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        self.encoder = (
            read_pretrained(self._source).to(usual_device()).train()
        )  # it comes in eval mode, without dropout
        self.solve_head(self.vectors(train, "train", cache), train.targets)

    def epochs(self, train: ArrayExamples, asked: int, seconds: float | None) -> int:
        """As many as the speed that is measured here leaves time for, at most `rounds`."""
        wanted = min(asked, self._rounds)
        if seconds is None:
            return wanted
        fit = int(seconds / seconds_an_epoch(self, self.reads(train.inputs)))
        return min(wanted, fit) if fit >= _FEWEST_EPOCHS else 0

    def learned(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.encoder.config.to_dict()
        return {"config": settings}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self.encoder = made_from(learned["config"])
        self.head = nn.Linear(self.width, self._num_outputs)

    def reads(self, inputs: Inputs | RowsByName) -> TextInputs:
        return text_inputs(inputs).seen_as(self._view)

    def measured_on(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> ArrayExamples:
        return replace(examples, inputs=NamedInputs({"vectors": self.vectors(examples, name, cache)}))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        vectors: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if vectors is None:
            assert input_ids is not None
            assert attention_mask is not None
            vectors = self.pooled(input_ids, attention_mask)
        outputs: torch.Tensor = self.head(self.dropout(vectors))
        return outputs

    def save_pretrained(self, folder: Path, facts: DataFacts) -> None:
        """The encoder and its tokenizer, and in `head.safetensors` what no class of transformers has: the linear layer.

        Its input is what `pooled` gives.
        """
        config = self.labelled_config(facts)
        self.encoder.save_pretrained(folder)
        config.architectures = [type(self.encoder).__name__]
        config.save_pretrained(folder)
        prepared_by(facts).save_pretrained(folder, self._view)
        save_file({name: part.detach().cpu() for name, part in self.head.state_dict().items()}, folder / _HEAD)

    def pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The vector of each text, (rows, width)."""
        found = self.encoder(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
        layers = found.hidden_states[-_LAYERS:]
        there = attention_mask[..., None].to(layers[0].dtype)
        sums = torch.cat([(states * there).sum(1) for states in layers], dim=1)
        vectors: torch.Tensor = sums / there.sum(1).clamp(min=1)
        return vectors

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        settings = self.encoder.config
        return int(settings.hidden_size * min(_LAYERS, settings.num_hidden_layers + 1))

    def compute(self, examples: ArrayExamples) -> np.ndarray[Any, Any]:
        """Texts of like length together."""
        inputs = text_inputs(examples.inputs).seen_as(self._view)
        found = torch.zeros(len(inputs), self.width)
        with computing(self):
            for rows in torch.split(inputs.lengths.argsort(stable=True), _AT_ONCE):
                batch = {key: part.to(self.encoder.device) for key, part in inputs.take(rows).items()}
                found[rows] = self.pooled(**batch).float().cpu()
        return found.numpy()


class FrozenTextEncoder(TextEncoder):
    """The same, as far as it comes without training: one linear classifier on the vectors and on words together.

    Each part of a text's features has length 1, the vector's after its numbers were brought to mean 0 and deviation 1,
    so that one strength fits both.

    Args:
        share: of the vectors' length against the words'.
        Everything else is as for TextEncoder.
    """

    fitted_at_once = True
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, source: str, view: str, num_outputs: int, *, strength: float, share: float) -> None:
        super().__init__(source, view, num_outputs, strength=strength)
        self.words = TfidfLinear(num_outputs)
        self._share = share
        self._made_for(1)

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        self.encoder = read_pretrained(self._source).to(usual_device())
        counted = self.words.count(train, cache)
        vectors, targets = self.vectors(train, "train", cache), train.targets
        assert isinstance(targets, torch.Tensor)
        self._made_for(vectors.shape[1])
        self.mean.copy_(vectors.mean(0))
        self.deviation.copy_(vectors.std(0) + 1e-6)
        features = scipy.sparse.hstack([scipy.sparse.csr_matrix(self._unit(vectors).numpy()), counted], format="csr")
        weights, biases = solve(features, targets, self._num_outputs, lambda: hinge(self._strength))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weights[:, : vectors.shape[1]]))
            self.head.bias.copy_(torch.from_numpy(biases))
            self.words.weights.weight.copy_(torch.from_numpy(weights[:, vectors.shape[1] :].T))

    def learned(self) -> dict[str, Any]:
        return {**super().learned(), **self.words.learned()}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self.words.restore(learned)
        self.encoder = made_from(learned["config"])
        self._made_for(self.width)

    def reads(self, inputs: Inputs | RowsByName) -> TextInputs:
        return replace(super().reads(inputs), beside=self.words.reads(inputs))

    def measured_on(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> ArrayExamples:
        vectors = NamedInputs({"vectors": self.vectors(examples, name, cache)})
        return replace(examples, inputs=Together((vectors, self.words.reads(examples.inputs))))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        vectors: torch.Tensor | None = None,
        terms: torch.Tensor | None = None,
        counts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if vectors is None:
            assert input_ids is not None
            assert attention_mask is not None
            vectors = self.pooled(input_ids, attention_mask)
        outputs: torch.Tensor = self.head(self._unit(vectors)) + self.words(terms, counts)
        return outputs

    def save_pretrained(self, folder: Path, facts: DataFacts) -> None:
        raise ExportError(
            "This classifier reads words beside the pretrained network's vectors, and no folder of transformers holds "
            'those. Export a trial whose architecture is the network without "-frozen", or use format="bundle".'
        )

    def _unit(self, vectors: torch.Tensor) -> torch.Tensor:
        unit: torch.Tensor = functional.normalize((vectors - self.mean) / self.deviation) * self._share
        return unit

    def _made_for(self, width: int) -> None:
        self.head = nn.Linear(width, self._num_outputs)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
