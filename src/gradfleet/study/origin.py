"""Where a trial comes from that did not start anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The trial whose weights another one went on from.

    Attributes:
        parent: the number of that trial.
        epoch: the one of its epochs that the other went on from; its own first one is the next.
        replaces: the number of the trial that had to make room.
    """

    parent: int
    epoch: int
    replaces: int

    def to_json(self) -> dict[str, int]:
        return asdict(self)
