"""Names of schedulers: who may train on, epoch by epoch."""

from __future__ import annotations

from gradfleet.errors import SettingError, unknown_name
from gradfleet.objective import Objective
from gradfleet.study.scheduler import NoScheduler, Scheduler

KNOWN = ("asha", "none")


def make_scheduler(name: str | None, *, objective: Objective, epochs: int) -> Scheduler:
    """The scheduler of that name for trials of up to `epochs` epochs.

    "asha" is asynchronous successive halving (Li et al., 2020, arXiv:1810.05934) with a reduction factor of 3, one
    bracket, and a first rung at a ninth of `epochs`, at least 1. "none" or None lets every trial run to its end.

    Raises:
        SettingError: no scheduler has that name.
    """
    if name is None or name == "none":
        return NoScheduler()
    if name == "asha":
        from gradfleet.fleet.asha import AshaScheduler  # Ray takes a second to import

        return AshaScheduler(objective, epochs=epochs)
    raise SettingError(unknown_name("scheduler", name, KNOWN))
