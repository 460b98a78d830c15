"""Tailoring: what a search becomes once its data, its time and the speed of its machine are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from gradfleet.data.prepared import DataRef
from gradfleet.search.narrowing import Narrowing
from gradfleet.trials.plan import Config
from gradfleet.trials.resources import Resources


@dataclass(frozen=True, slots=True)
class Tailoring:
    """What is searched less, and first; a study keeps it and goes on with it, whatever is measured then.

    Attributes:
        narrowing: as `AutoModel.narrow` takes it; dimensions that the user has narrowed stay as they are.
        epochs: of one trial at most.
        portfolio: configurations to try after the default one.
        said: the sentence for the user.
    """

    narrowing: Mapping[str, Narrowing]
    epochs: int
    portfolio: tuple[Config, ...] = ()
    said: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "narrowing": dict(self.narrowing),
            "epochs": self.epochs,
            "portfolio": [dict(config) for config in self.portfolio],
            "said": self.said,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(fields["narrowing"], fields["epochs"], tuple(fields["portfolio"]), fields["said"])


@dataclass(frozen=True, slots=True)
class Situation:
    """What a tailor knows.

    Attributes:
        data: prepared, so that its facts are known and its rows can be looked at.
        budget: seconds of the whole search; None when only a number of trials ends it.
        seconds: that are left of it, now that the data is prepared.
        resources: of one trial.
        is_here: whether trials run on this machine, so that what is measured here is true there.
    """

    data: DataRef
    budget: float | None
    seconds: float | None
    resources: Resources
    is_here: bool


class Tailor(Protocol):
    """Decides before the first trial; it may measure for a small part of the time that there is."""

    def __call__(self, situation: Situation) -> Tailoring | None:
        """None leaves the search as it is."""
        ...
