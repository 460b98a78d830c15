"""DataNetwork: a network that looks at the training data before its first step, or reads data in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from gradfleet.data.examples import ArrayExamples, Inputs
from gradfleet.data.feature_cache import FeatureCache
from gradfleet.data.prepared import DataFacts
from gradfleet.data.rows_by_name import RowsByName
from gradfleet.errors import ExportError


class DataNetwork(nn.Module):
    """Override what the network needs; what is not overridden does nothing.

    A trial calls `start` on a new network, before its optimizer is made. What that found out beside weights, such as a
    vocabulary or the shape of a pretrained network, is `learned`; a checkpoint keeps it as JSON and `restore` takes it
    instead of `start` when the model is loaded, so that neither training data nor pretrained files are needed then.

    Attributes:
        fitted_at_once: `start` leaves nothing to train: the trial measures the network once and is complete.
    """

    fitted_at_once: ClassVar[bool] = False

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        """Become ready to train on these examples, which are as the data was prepared (`reads` is not applied)."""

    def epochs(self, train: ArrayExamples, asked: int, seconds: float | None) -> int:
        """How many epochs, at most `asked`, to train for in so many seconds, None for no limit; asked after `start`.

        Schedules end with the last of them, and records count them in parts of those that were asked for. 0 trains
        nothing: what `start` left is measured once.
        """
        del train, seconds
        return asked

    def rate_factors(self) -> Mapping[str, float]:
        """Of the learning rate, by the names of parameters, beside what `LayerRates` says; 1 for others.

        Asked for after `start`, where the search has a `layer_decay`.
        """
        return {}

    def learned(self) -> dict[str, Any]:
        """JSON from which `restore` makes a network of the same shape."""
        return {}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Become a network of that shape; weights follow."""

    def reads(self, inputs: Inputs | RowsByName) -> Inputs | RowsByName:
        """Prepared inputs as this network's batches are made of."""
        return inputs

    def learns_from(self, train: ArrayExamples, cache: FeatureCache) -> ArrayExamples:
        """The training examples as this network's batches are made of, where that is not as everywhere else."""
        del cache
        return self.seen(train)

    def measured_on(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> ArrayExamples:
        """A part of the data as a network that is fitted at once is measured on it; `name` tells parts apart."""
        del name, cache
        return self.seen(examples)

    def save_pretrained(self, folder: Path, facts: DataFacts) -> None:
        """Write what `from_pretrained` of transformers loads, with its preprocessing.

        Args:
            facts: of the data that it learned from.

        Raises:
            ExportError: the network has no such form.
        """
        del folder, facts
        raise not_of_transformers(self)

    def seen(self, examples: ArrayExamples) -> ArrayExamples:
        """Examples with their inputs as `reads` gives them."""
        return replace(examples, inputs=self.reads(examples.inputs))


def not_of_transformers(network: object) -> ExportError:
    """What is raised where a network cannot be written for `from_pretrained`."""
    return ExportError(
        f'A {type(network).__name__} is no network of transformers; use format="bundle", "onnx" or "torch".'
    )
