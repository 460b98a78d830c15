"""The numbers of an optimizer that a schedule may move, under the names that users give them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.optim import Optimizer

Rates = list[dict[str, Any]]
Group = dict[str, Any]


def rates_of(optimizer: Optimizer) -> Rates:
    """The numbers of an optimizer, in each of its groups."""
    return [dict(_movable(group)) for group in optimizer.param_groups]


def put_back(optimizer: Optimizer, rates: Rates) -> None:
    """Give the optimizer the numbers that it had when it was made."""
    for group, asked in zip(optimizer.param_groups, rates, strict=False):
        group.update(asked)
        group.pop("initial_lr", None)


def known_values(group: Group) -> frozenset[str]:
    """The names of the values that an optimizer has which keeps this of a group of parameters."""
    names = {"learning_rate" if key == "lr" else key for key, _ in _movable(group)}
    if "betas" in names:
        names |= {"beta1", "beta2", "momentum"}
    return frozenset(names)


def read(group: Group, name: str) -> float:
    """A value of one group; momentum is the first beta where there are betas."""
    place = _beta(group, name)
    value = group[_key(name)] if place is None else group["betas"][place]
    return float(value)


def write(group: Group, name: str, value: float) -> None:
    """Set a value of one group."""
    place = _beta(group, name)
    if place is None:
        group[_key(name)] = value
    else:
        betas = group["betas"]
        group["betas"] = (value, betas[1]) if place == 0 else (betas[0], value)


def _key(name: str) -> str:
    return "lr" if name == "learning_rate" else name


def _beta(group: Group, name: str) -> int | None:
    """Which of the betas the value is; None when it is none."""
    if "betas" not in group or name not in ("beta1", "beta2", "betas", "momentum"):
        return None
    return 1 if name == "beta2" else 0


def _movable(group: Group) -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if all(_is_number(one) for one in (value if isinstance(value, tuple) else (value,))):
            yield key, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
