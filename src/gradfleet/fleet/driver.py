"""A driver in a process of its own: the sweep goes on when whoever began it has gone."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from gradfleet.errors import in_words
from gradfleet.fleet import detached
from gradfleet.fleet.exit_code import exit_code
from gradfleet.fleet.order import Order
from gradfleet.fleet.sharing import Sharing
from gradfleet.fleet.sweep import run_sweep
from gradfleet.study.driving.progress import SweepProgress
from gradfleet.study.places import forget_job
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.store import Store
from gradfleet.trials.recipes import by_value


def begin(order: Order, store: Store, *, log: Path) -> int:
    """Queue the order's study and start its driver, in a session of its own; the driver's process id.

    Args:
        log: what the driver says goes there, after what is there already.

    Raises:
        ExecutionError: a part of the order cannot leave this process.
        LeaseHeldError: a living driver holds the study.
    """
    told = by_value((order, store.database.url.render_as_string(hide_password=False)))
    mark(store, order.study, "queued")
    forget_job(store.study(order.study).artifacts, order.study)
    return detached.start("gradfleet.fleet.driver", told, log=log)


def drive(order: Order, url: str) -> None:
    """Search to the end in this process; what goes wrong before the first trial is the study's failure."""
    store = Store.open(url)
    try:
        executor = order.settings.executor(part=Sharing(store, order.study).part)
    except BaseException as error:
        mark(store, order.study, "failed", problem=in_words(error))
        raise
    view = SweepProgress(order.study, order.settings.objective, order.settings.budget)
    run_sweep(order, executor, store=store, view=view)


def main() -> int:
    """Run the order on stdin."""
    order, url = pickle.load(sys.stdin.buffer)
    return exit_code(lambda: drive(order, url))


if __name__ == "__main__":
    sys.exit(main())
