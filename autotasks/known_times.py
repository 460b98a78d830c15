"""How much a search may try: the known-good configurations that its time allows, with or without a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autotasks.portfolio import KnownGood, affordable
from gradfleet.tasks import Situation, Tailoring


class KnownTimes:
    """A `Tailor` that leaves out architectures which are known to need a longer search.

    Args:
        known: the portfolio; an architecture that is not in it is searched whatever time there is.
        epochs: of a trial at most.
        choices: the architectures that may be searched.
    """

    def __init__(self, known: Sequence[KnownGood], *, epochs: int, choices: Sequence[str]) -> None:
        self._known = known
        self._epochs = epochs
        self._choices = choices

    def __call__(self, situation: Situation) -> Tailoring | None:
        # The whole budget: what was known to fit was measured so, with the time for preparing the data in it.
        seconds, gpu = situation.budget, _has_gpu(situation)
        tried = affordable(self._known, seconds, gpu=gpu)
        slow = {one.architecture for one in self._known} - {str(config["architecture"]) for config in tried}
        if not slow or seconds is None:
            return None
        kept = [one for one in self._choices if one not in slow]
        return Tailoring({"architecture": {"choices": kept}}, self._epochs, tuple(tried), self._said(kept, gpu=gpu))

    def _said(self, kept: Sequence[str], *, gpu: bool) -> str:
        needed: dict[str, float] = {}
        for one in self._known:
            needed[one.architecture] = min(needed.get(one.architecture, float("inf")), one.seconds(gpu=gpu))
        left = [f"{name} from {needed[name] / 60:g} min on" for name in self._choices if name not in kept]
        return f"The time allows {', '.join(kept)}{', on a GPU' if gpu else ''}; {', '.join(left)}."


def _has_gpu(situation: Situation) -> bool:
    """Whether trials have one for certain: a cluster elsewhere does not say before it is joined."""
    if situation.resources.gpu is not None:
        return situation.resources.gpu > 0
    return situation.is_here and torch.cuda.is_available()
