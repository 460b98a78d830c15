"""What a model was before its first fit, to begin anew from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

from gradfleet.errors import SettingError
from gradfleet.training.history import History

if TYPE_CHECKING:
    from gradfleet.training.model import Model


@dataclass(frozen=True, slots=True)
class Beginning:
    """Weights and buffers, copied to the CPU so that they take no memory of a device, and the records until then."""

    networks: Mapping[str, Mapping[str, Any]]
    epoch: int
    history: History

    @classmethod
    def of(cls, model: Model) -> Beginning:
        return cls(
            {
                name: {key: _copy(value) for key, value in one.state_dict().items()}
                for name, one in model.networks.items()
            },
            model.epoch,
            History(model.history),
        )

    def restore(self, model: Model) -> None:
        """Make the model what it was; the optimizers, which this knows nothing of, are the model's to make anew."""
        for name in model.networks:
            model.put_weights(name, self.networks[name])
        model.epoch, model.history, model.stop_reason = self.epoch, History(self.history), None


def require_new_optimizers(optimizers: Iterable[object]) -> None:
    """Refuse what cannot be made anew.

    Raises:
        SettingError: one of them is an instance.
    """
    if found := [one for one in optimizers if isinstance(one, Optimizer)]:
        raise SettingError(
            f"reset=True makes the optimizer anew, which a {type(found[0]).__name__} that is made already cannot be; "
            "give compile its name, class or a factory."
        )


def _copy(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, torch.Tensor) else deepcopy(value)
