"""What every form of successive halving is told: where the first rung is, and how many climb on from each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from gradfleet.errors import SettingError
from gradfleet.study.schedulers.checks import factor_problems, grace_of, grace_problems, too_late
from gradfleet.study.schedulers.rungs import ladder


@dataclass(frozen=True, slots=True, kw_only=True)
class Halving:
    """The settings that Asha, Hyperband and Pasha share.

    The factor of 3 is that of Li et al., 2020, arXiv:1810.05934; the first rung at a ninth of the epochs leaves two
    chances to be stopped.

    Attributes:
        grace: epochs before the first rung; None is a ninth of all, at least 1.
        reduction_factor: each rung is so many times as far as the one before, and the best 1 / reduction_factor of it
            go on.

    Raises:
        SettingError: with every setting that cannot be.
    """

    name: ClassVar[str]
    single: ClassVar[bool] = False

    grace: int | None = None
    reduction_factor: float = 3

    def __post_init__(self) -> None:
        kind = type(self).__name__
        if found := [*grace_problems(kind, self.grace), *factor_problems(kind, self.reduction_factor)]:
            raise SettingError(found)

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        return too_late(type(self).__name__, self.grace, epochs)

    def milestones(self, epochs: int) -> list[float]:
        """The rungs below `epochs`."""
        return ladder(grace_of(self.grace, epochs), self.reduction_factor, epochs)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, **asdict(self)}
