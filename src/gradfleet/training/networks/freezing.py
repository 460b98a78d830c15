"""Which parts of a network are trained: freezing and thawing by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from gradfleet.errors import SettingError, unknown_name

Patterns = str | Iterable[str]
Statistics = Literal["freeze", "train"]


def freeze(network: nn.Module, patterns: Patterns = "*", *, statistics: Statistics = "freeze") -> list[str]:
    """Train the named parts no more: their weights stay, to the bit, whatever the optimizer does.

    A pattern is that of file names (`layer1.*`, `*.bias`) and is matched with the names of parameters and of modules;
    a module stands for all that is in it. To know what is frozen the network must be in training mode, and is put
    there; a later `network.train()` of your own would set the running statistics of frozen layers free again.

    Args:
        statistics: what becomes of the running means and variances of frozen BatchNorm layers. "freeze" puts these
            layers into eval mode, in which they stay during a fit; "train" lets them follow the new data.

    Returns:
        The names of the parameters that are frozen by this.

    Raises:
        SettingError: a pattern names nothing.
    """
    if statistics not in get_args(Statistics):
        raise SettingError(unknown_name("policy for running statistics", statistics, get_args(Statistics)))
    names = named_parameters(network, patterns)
    if not network.training:
        network.train()
    _train(network, names, trained=False)
    for layer in _normalisers(network, names):
        layer.train(statistics == "train")
    return names


def unfreeze(network: nn.Module, patterns: Patterns = "*") -> list[str]:
    """Train the named parts again, running statistics included; the names of their parameters. See `freeze`."""
    names = named_parameters(network, patterns)
    _train(network, names, trained=True)
    for layer in _normalisers(network, names):
        layer.train()
    return names


def freeze_to(network: nn.Module, pattern: str, *, statistics: Statistics = "freeze") -> list[str]:
    """Freeze everything before the first part that the pattern names, and train that part and all after it.

    The order is the one in which the network holds its parameters. The names of the frozen ones; see `freeze`.
    """
    names = [name for name, _ in network.named_parameters()]
    first = names.index(named_parameters(network, pattern)[0])
    unfreeze(network, _exactly(names[first:]))
    return freeze(network, _exactly(names[:first]), statistics=statistics) if first else []


def layers_of(network: nn.Module) -> list[tuple[str, list[str]]]:
    """The network's layers in order: its children that have parameters, with the parameters' names.

    A child that is a Sequential or a ModuleList stands for its own children.
    """
    return list(_layers(network, ""))


def named_parameters(network: nn.Module, patterns: Patterns) -> list[str]:
    """The parameters that the patterns name, in the network's order; see `freeze`."""
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    names = [name for name, _ in network.named_parameters()]
    parts = {name: _ancestors(name) for name in names}
    found = {pattern: {name for name in names if _matches(parts[name], pattern)} for pattern in wanted}
    if empty := [pattern for pattern, matched in found.items() if not matched]:
        known = {name.split(".")[0] for name in names}
        raise SettingError([unknown_name("part with weights", pattern, known) for pattern in empty])
    return [name for name in names if any(name in matched for matched in found.values())]


def _layers(module: nn.Module, prefix: str) -> Iterator[tuple[str, list[str]]]:
    own = [f"{prefix}{name}" for name, _ in module.named_parameters(recurse=False)]
    if own:
        yield prefix.rstrip("."), own
    for name, child in module.named_children():
        parameters = [f"{prefix}{name}.{one}" for one, _ in child.named_parameters()]
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _layers(child, f"{prefix}{name}.")
        elif parameters:
            yield f"{prefix}{name}", parameters


def _ancestors(name: str) -> list[str]:
    """`a.b.weight` is named by itself, by `a.b` and by `a`."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _matches(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _exactly(names: Iterable[str]) -> list[str]:
    """Patterns for names that may hold brackets."""
    return [name.replace("[", "[[]") for name in names]


def _train(network: nn.Module, names: Iterable[str], *, trained: bool) -> None:
    parameters = dict(network.named_parameters())
    for name in names:
        parameters[name].requires_grad_(trained)
        if not trained:
            parameters[name].grad = None  # the optimizer would still follow it


def _normalisers(network: nn.Module, names: Iterable[str]) -> Iterator[nn.Module]:
    """The layers with running statistics that own one of these parameters."""
    owners = {name.rpartition(".")[0] for name in names}
    for name, module in network.named_modules():
        if isinstance(module, _NormBase) and name in owners:
            yield module
