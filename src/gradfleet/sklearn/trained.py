"""A trained Model that can be pickled: as a checkpoint's files, never as a pickled network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradfleet.sklearn.network import NetworkChoice, NetworkFacts
from gradfleet.sklearn.targets import Targets
from gradfleet.training.model import Model
from gradfleet.training.state import saving
from gradfleet.training.state.checkpoint import read_files, write_files
from gradfleet.training.state.seeding import untouched_generators


@dataclass
class Trained:
    """What a fit leaves: the Model, and all that it takes to make it again in another process.

    It is what the parameters were at the fit, which may have been set anew since.

    Attributes:
        compiling: the arguments of `Model.compile`.
    """

    choice: NetworkChoice
    facts: NetworkFacts
    compiling: Mapping[str, Any]
    device: str | None
    targets: Targets
    model: Model

    @classmethod
    def start(
        cls, choice: NetworkChoice, targets: Targets, shape: tuple[int, ...], compiling: Mapping[str, Any], device: Any
    ) -> Trained:
        """An untrained one, compiled."""
        facts = NetworkFacts(shape, targets.num_outputs, targets.kind)
        model = choice.build(facts, device).compile(**compiling)
        model.labels = targets.names
        return cls(choice, facts, compiling, device, targets, model)

    def __getstate__(self) -> dict[str, Any]:
        """The network's weights are in it as safetensors, the optimizer's state as plain tensors."""
        with TemporaryDirectory(prefix="gradfleet-") as folder:
            place = Path(folder, "model")
            self.model.save(place, durable=False)
            return vars(self) | {"model": read_files(place)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files: dict[str, bytes] = state.pop("model")
        vars(self).update(state)
        with untouched_generators():
            self.model = self.choice.build(self.facts, self.device).compile(**self.compiling)
        with TemporaryDirectory(prefix="gradfleet-") as folder:
            place = Path(folder, "model")
            write_files(place, files, durable=False)
            saving.resume(self.model, place).restore_optimizers(self.model)
