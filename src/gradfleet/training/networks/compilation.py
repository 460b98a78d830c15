"""How networks are laid out and called: compiled by torch, and in the memory format that convolutions like."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def compile_network(network: nn.Module, options: Mapping[str, Any]) -> None:
    """Have `torch.compile` compile every call of the network from the next one on; the module stays the same object.

    When its first call cannot be compiled, a warning says so and the network is called as before.
    """
    network._compiled_call_impl = _Compiled(network, options)


def call_plainly(network: nn.Module) -> None:
    """Undo `compile_network`."""
    if isinstance(getattr(network, "_compiled_call_impl", None), _Compiled):
        network._compiled_call_impl = None


class _Compiled:
    """Stands where torch keeps a module's compiled call, which neither copies nor checkpoints take along."""

    def __init__(self, network: nn.Module, options: Mapping[str, Any]) -> None:
        self._network = network
        # A function in between, because torch passes a Sequential's own call over without compiling it.
        self._compiled = torch.compile(lambda *inputs, **named: self._call_plainly(*inputs, **named), **options)
        self._worked = False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._worked:
            return self._compiled(*arguments, **named)
        try:
            outputs = self._compiled(*arguments, **named)
        except Exception as error:
            outputs = self._call_plainly(*arguments, **named)  # an error of the network's own is raised from here
            call_plainly(self._network)
            kind = type(self._network).__name__
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"{kind} cannot be compiled, so it runs uncompiled: {reason}", RuntimeWarning, stacklevel=2)
            return outputs
        self._worked = True
        return outputs

    def _call_plainly(self, *arguments: Any, **named: Any) -> Any:
        return self._network._call_impl(*arguments, **named)  # type: ignore[no-untyped-call]


def lay_out_channels_last(network: nn.Module) -> None:
    """Weights and 4-dimensional inputs of the network in channels-last format, from the next call on.

    Weights that have no shape yet cannot be laid out: call this again when they have.
    """
    if not has_lazy_weights(network):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's own types
    if _to_channels_last not in network._forward_pre_hooks.values():
        network.register_forward_pre_hook(_to_channels_last)


def has_lazy_weights(network: nn.Module) -> bool:
    """Whether some weights or buffers have no shape before the first call."""
    return any(is_lazy(one) for one in chain(network.parameters(), network.buffers()))


def _to_channels_last(network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        one.contiguous(memory_format=torch.channels_last) if isinstance(one, torch.Tensor) and one.dim() == 4 else one
        for one in inputs
    )
