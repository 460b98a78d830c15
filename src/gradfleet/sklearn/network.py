"""The network of an estimator: made anew by every fit, for the data that it gets."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError
from gradfleet.search.builder import Builder
from gradfleet.search.facts import FACTS
from gradfleet.training.model import Model


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What the data tells a network's builder."""

    input_shape: tuple[int, ...]
    num_outputs: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """A network that an estimator was given, with the arguments to make it.

    Attributes:
        network: a Module's class, or a function that returns a Module, Modules by name or an uncompiled Model; these
            also get those of `FACTS` that their signature names. A Module that is made already is copied.
    """

    network: Any
    options: Mapping[str, Any]

    def problems(self) -> list[str]:
        """Why no network can be made of this; empty when one can."""
        if isinstance(self.network, nn.Module):
            return (
                ["A network that is made already takes no network_options: give its class or a function that makes it."]
                if self.options
                else []
            )
        if not callable(self.network):
            return [f"network is a Module's class or a function that returns a Module, got {self.network!r}."]
        builder = self._builder()
        unknown = [problem for option in self.options for problem in builder.problems(option)]
        missing = builder.missing(self.options)
        return unknown + [f"The network needs {name!r}: network_options={{{name!r}: ...}}." for name in missing]

    def build(self, facts: NetworkFacts, device: str | torch.device | None) -> Model:
        """A new Model that takes rows of this data.

        Args:
            device: of a network; a Model that the function returns has its own.

        Raises:
            SettingError: the network takes other rows, or has another number of outputs.
        """
        made = self._make(facts)
        model = made if isinstance(made, Model) else Model(made, device=device)
        _check_outputs(model, facts)
        return model

    def _make(self, facts: NetworkFacts) -> Any:
        if isinstance(self.network, nn.Module):
            return copy.deepcopy(self.network)
        builder = self._builder()
        provided = {fact: getattr(facts, fact) for fact in FACTS if builder.names(fact)}
        return builder.make(**(provided | dict(self.options)))

    def _builder(self) -> Builder:
        return Builder("network", self.network, {}, provided=FACTS)


def _check_outputs(model: Model, facts: NetworkFacts) -> None:
    """Predict two rows of zeros, before anything is trained. Lazy layers get their shapes by it, too."""
    try:
        outputs = model.predict(torch.zeros(2, *facts.input_shape), batch_size=2)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise SettingError(
            f"The network does not take rows of shape {facts.input_shape}: {error}. "
            "A builder whose signature names input_shape is given that shape."
        ) from error
    found = outputs.reshape(2, -1).shape[1]
    if found == facts.num_outputs:
        return
    hint = ""
    if facts.kind == "multiclass" and (found, facts.num_outputs) == (1, 2):
        hint = " loss='binary_cross_entropy' makes do with one output for two classes."
    raise SettingError(
        f"A {facts.kind} problem of this data needs {facts.num_outputs} outputs, and the network has {found}. "
        f"A builder whose signature names num_outputs is given the number.{hint}"
    )
