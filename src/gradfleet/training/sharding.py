"""Weights that are spread over the processes which train together: each holds a part of every one (FSDP).

Gradients and the optimizer's state are parts too. Accelerate's own plugin shards on accelerators alone, so this is
torch's `fully_shard` itself, which takes CPUs as well. Imported only where a model is sharded: it takes half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parameter import UninitializedParameter
from torch.optim import Optimizer

from gradfleet.errors import SettingError
from gradfleet.training.processes import Processes

_WORTH_IT = 100_000  # numbers in a block that is gathered by itself; smaller ones cost more messages than memory


class Sharding:
    """The networks of one model, sharded from now on.

    Args:
        state: all that is gathered when the first process saves the model.

    Attributes:
        classes: what the networks were before, by name.

    Raises:
        SettingError: they cannot be.
    """

    def __init__(self, networks: Mapping[str, nn.Module], team: Processes, state: Callable[[], Any]) -> None:
        _refuse(networks)
        self.classes = {name: type(network).__qualname__ for name, network in networks.items()}
        self._team, self._state = team, state
        team.begin_alike(networks)
        mesh = init_device_mesh(team.device.type, (team.number,))
        for network in networks.values():
            for block in _blocks(network):
                fully_shard(block, mesh=mesh)
            fully_shard(network, mesh=mesh)

    @property
    def loss_scale(self) -> float:
        """What a process multiplies its loss by, beside its share of the rows: gradients are averaged on the way."""
        return float(self._team.number)

    def gather(self) -> Any:
        """In the first process: the state, with whole tensors on the CPU in the place of parts; the others help."""
        self._team.call()
        return self.take_part()

    def follow(self) -> None:
        """In another process: help with one `gather`."""
        self._team.follow(self.take_part)

    def meet(self) -> None:
        """Be all here, the others helping with whatever the first process gathers before."""
        self._team.meet(self.take_part)

    def take_part(self) -> Any:
        """What all processes do in a `gather`."""
        return self._whole(self._state())

    def _whole(self, value: Any) -> Any:
        if isinstance(value, DTensor):
            return value.full_tensor().cpu()
        if isinstance(value, Mapping):
            return {key: self._whole(one) for key, one in value.items()}
        return [self._whole(one) for one in value] if isinstance(value, list) else value

    @staticmethod
    def part(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """A whole tensor as another one is held: on its device, and this process's part where that is sharded."""
        if isinstance(value, DTensor) or not isinstance(like, DTensor):
            return value.to(like.device)
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)

    def parts_of(self, state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
        """The whole state of an optimizer as this process's one is to hold it."""
        parameters = [one for group in optimizer.param_groups for one in group["params"]]

        def part(value: Any, parameter: torch.Tensor) -> Any:
            same = isinstance(value, torch.Tensor) and value.shape == parameter.shape
            return self.part(value, parameter) if same else value

        kept = {
            number: {name: part(value, parameters[number]) for name, value in of.items()}
            for number, of in state["state"].items()
        }
        return {**state, "state": kept}


def _refuse(networks: Mapping[str, nn.Module]) -> None:
    if len(networks) > 1:
        raise SettingError(f"strategy='fsdp' is for a model of one network, got {', '.join(networks)}; use 'ddp'.")
    named = [pair for network in networks.values() for pair in network.named_parameters()]
    lazy = [name for name, parameter in named if isinstance(parameter, UninitializedParameter)]
    if lazy:
        raise SettingError(
            f"strategy='fsdp' needs weights whose shapes are known, and {', '.join(lazy)} waits for the first batch. "
            "Give its layer the size of its inputs, or use 'ddp'."
        )


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    """Large modules in a row, such as the layers of a transformer, inner ones first; none whose weights are tied."""
    rows = [one for one in network.modules() if isinstance(one, nn.ModuleList | nn.Sequential)]
    for block in (block for row in reversed(rows) for block in row.children()):
        own = set(block.parameters())
        others = (one for module in network.modules() if module not in set(block.modules()) for one in _direct(module))
        if sum(one.numel() for one in own) >= _WORTH_IT and own.isdisjoint(others):
            yield block


def _direct(module: nn.Module) -> Iterator[nn.Parameter]:
    return module.parameters(recurse=False)
