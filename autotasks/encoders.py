"""A pretrained network and a linear layer on its vectors, which begins as a solved regression."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from autotasks.linear import logistic, solve
from gradfleet import Float
from gradfleet.tasks import ArrayExamples, DataFacts, DataNetwork, FeatureCache

_DECAY = Float(0.6, 1.0, default=1.0)
"""What is searched of `PretrainedEncoder`'s decay; 1 is one rate for the whole encoder."""

_MOST_BLOCKS = 12
"""Of the encoders that such decays are known from; the first of more blocks is no slower than the first of these."""


class PretrainedEncoder(DataNetwork):
    """What text and image encoders share.

    The linear layer begins as logistic regression on the pretrained vectors, so that fine-tuning does not tear them
    apart for a head that knows nothing (Kumar et al., 2022, arXiv:2202.10054). The vectors are computed once a sweep.

    Args:
        source: a local folder that `save_pretrained` wrote, or a name on the hub.
        strength: of the data against small weights in that regression.
        decay: each block's learning rate is this times that of the block after it, since what is near the input fits
            most tasks as it is (Howard and Ruder, 2018, arXiv:1801.06146; Clark et al., 2020, arXiv:2003.10555).
    """

    encoder: Any
    head: nn.Linear

    def __init__(self, source: str, num_outputs: int, *, strength: float, decay: float = 1.0) -> None:
        super().__init__()
        self._decay = decay
        self._source = source
        self._num_outputs = num_outputs
        self._strength = strength

    @property
    def seen_as(self) -> Sequence[str]:
        """What the vectors of given examples depend on."""
        return (self._source,)

    def rate_factors(self) -> dict[str, float]:
        """Of the encoder's parameters, by their distance from its last block."""
        depths = block_numbers(self.encoder)
        last = max(depths.values())
        step = min(1.0, _MOST_BLOCKS / max(1, last))
        return {f"encoder.{name}": self._decay ** (step * (last - depth)) for name, depth in depths.items()}

    @abstractmethod
    def compute(self, examples: ArrayExamples) -> np.ndarray[Any, Any]:
        """The vector of each example, (rows, width), in the examples' order."""

    def labelled_config(self, facts: DataFacts) -> Any:
        """The pretrained network's own configuration, with the labels of the data."""
        from transformers import AutoConfig

        labels = [str(label) for label in facts.labels or range(facts.num_outputs)]
        settings = self.encoder.config.to_dict() | {"id2label": dict(enumerate(labels))}
        settings["label2id"] = {label: number for number, label in enumerate(labels)}
        return AutoConfig.for_model(settings.pop("model_type"), **settings)

    def vectors(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> torch.Tensor:
        """The same, computed by the first who asks for this part of the data."""
        return cache.array([name, *self.seen_as, "vectors"], lambda: self.compute(examples))

    def solve_head(self, features: torch.Tensor, targets: Any) -> None:
        """Make the head logistic regression on features (rows, features), each of which counts alike."""
        known = features.numpy()
        mean, deviation = known.mean(0), known.std(0) + 1e-6
        weights, biases = solve(
            (known - mean) / deviation, targets, self._num_outputs, lambda: logistic(self._strength)
        )
        weights = weights / deviation
        self.head = nn.Linear(features.shape[1], self._num_outputs)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weights))
            self.head.bias.copy_(torch.from_numpy(biases - weights @ mean))


def decay_of(source: str) -> dict[str, Float]:
    """The dimension `decay` of a pretrained network; none where all its layers are one block, as where they share it.

    One that is not there, as where a model that began with it is loaded, may have several.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, local_files_only=True)
    except (OSError, ValueError):
        return {"decay": _DECAY}
    groups = getattr(config, "num_hidden_groups", None)  # ALBERT's, each with the parameters of many layers
    own = getattr(config, "num_hidden_layers", None) if groups is None else groups * config.inner_group_num
    return {} if own == 1 else {"decay": _DECAY}


def block_numbers(encoder: nn.Module) -> dict[str, int]:
    """The block that each parameter is in, from 1 on; 0 before the first, and what follows the last is in that.

    Blocks are the parts of the outermost list of modules: layers of a transformer, stages of a convolutional net.
    """
    lists = [name for name, one in encoder.named_modules() if isinstance(one, nn.ModuleList) and len(one) > 1]
    if not lists:
        return dict.fromkeys((name for name, _ in encoder.named_parameters()), 0)
    stack, number = min(lists, key=lambda name: name.count(".")) + ".", 0
    found: dict[str, int] = {}
    for name, _ in encoder.named_parameters():
        if name.startswith(stack):
            number = int(name.removeprefix(stack).partition(".")[0]) + 1
        found[name] = number
    return found
