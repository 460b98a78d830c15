"""The optimizers of a compiled model, made when somebody needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from torch.optim import Optimizer

from gradfleet.training.optimizers.values import Rates, rates_of


class MadeOptimizers:
    """One for each network, by its name; made when they are first asked for.

    The first optimizer of a process loads torch's compiler, which takes a second or more, and a model that predicts
    needs none.

    Args:
        make: the optimizer of the only network, or one for each by its name.
        at_once: because `make` may refuse.
    """

    def __init__(self, make: Callable[[], Optimizer | Mapping[str, Optimizer]], *, at_once: bool = False) -> None:
        self._make = make
        if at_once:
            _ = self._made

    @property
    def by_name(self) -> dict[str, Optimizer]:
        return self._made[0]

    @property
    def rates(self) -> dict[str, Rates]:
        """The numbers that each had when it was made."""
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[dict[str, Optimizer], dict[str, Rates]]:
        made = self._make()
        named = {"network": made} if isinstance(made, Optimizer) else dict(made)
        return named, {name: rates_of(one) for name, one in named.items()}
