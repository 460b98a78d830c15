"""An Executor on Ray: warm workers, one trial each at a time."""

from __future__ import annotations

import math
import pickle
import time
from collections import deque
from collections.abc import Callable

from gradfleet.errors import NoSpaceError
from gradfleet.fleet.cluster import Cluster, Room, connect
from gradfleet.fleet.sharing import Part
from gradfleet.fleet.worker import Ended, Reported
from gradfleet.fleet.workers import Heard, Worker, Workers
from gradfleet.training.history import EpochRecord
from gradfleet.trials.executor import Ledger
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.recipes import by_value
from gradfleet.trials.resources import Resources

PAUSE = 0.1
"""Seconds between two looks at the ledger: a budget that ends, a request, a trial that hangs."""

CLOSE = 0.002
"""Seconds; what follows so close upon something else is written with it."""

TOGETHER = 0.03
"""Seconds at most until what has happened is written, however much goes on."""

SAID_AFTER = 10.0
"""Seconds without room for a single worker until the reason is said."""

SHORT = 0.5
"""Seconds; trials shorter than this are planned further ahead."""


class RayExecutor:
    """Runs a ledger's plans on Ray actors, as many side by side as the cluster holds.

    Sweeps that share the cluster have an equal part each, and give the rest back as their trials end; one that is
    paused holds nothing beside what it trains. It remembers nothing. A worker that dies gives its trial back to the
    ledger, which offers it again with its last checkpoint.

    Args:
        part: the sweep's own, of a cluster that it shares with others.

    Raises:
        ClusterError: no cluster answers, or it can never hold one such trial.
    """

    def __init__(
        self, *, cluster: str | None = None, resources: Resources | None = None, part: Callable[[], Part] = Part
    ) -> None:
        connected = connect(cluster)
        self._resources = (resources or Resources()).on(gpus=connected.gpu)
        self._room = Room(self._resources, connected, part=part)

    def run(self, recipe: Recipe, ledger: Ledger) -> None:
        """See `Executor`.

        Raises:
            NoSpaceError: a trial met a full disk.
            ExecutionError: the recipe cannot leave this process, or no worker can be started.
        """
        if not ledger.finished:
            with Workers(by_value(recipe), room=self._room, resources=self._resources) as workers:
                _Shift(ledger, workers, self._resources).work()

    def interrupt(self) -> None:
        """Nothing: trials run elsewhere, and `run` itself sees that the ledger has aborted."""


class _Shift:
    """Carries plans from the ledger to the workers, and what they tell back.

    A worker is answered, and one that is free gets its next trial, before anything is written.
    """

    def __init__(self, ledger: Ledger, workers: Workers, resources: Resources) -> None:
        self._ledger = ledger
        self._workers = workers
        self._resources = resources
        self._waits_since: float | None = None
        self._said = False
        self._planned: deque[TrialPlan] = deque()
        self._ahead = self._far(seconds=math.inf)

    def work(self) -> None:
        while self._workers.running or not self._ledger.finished:
            with self._ledger.together():
                self._listen()
                self._end_what_must()
                self._hand_out()
                self._plan_ahead()
                self._hear()  # a draw takes as long as a write: who has ended meanwhile waits for one of them only
            self._say_why_nothing_begins()
            self._workers.wait(PAUSE)
        self._take_back()

    def _end_what_must(self) -> None:
        must_end = self._workers.running if self._ledger.aborted else self._ledger.overdue
        for number in must_end:
            self._workers.end(number)
            self._ledger.lost(number)

    def _hand_out(self) -> None:
        if self._ledger.held:
            self._take_back()
            self._workers.release()
            return
        self._workers.shrink()
        self._plan(self._workers.free)
        while self._planned and self._workers.idle:
            plan = self._planned.popleft()
            self._workers.start(plan.number, pickle.dumps(plan))
            self._ledger.begin(plan.number)
        self._workers.prepare(len(self._planned))

    def _say_why_nothing_begins(self) -> None:
        """Once, when there has been no room for a while: others may use the cluster, or it has to grow."""
        if self._said or self._workers.running or not self._workers.unplaced:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = time.monotonic()
        elif time.monotonic() - self._waits_since > SAID_AFTER:
            self._said = True
            self._ledger.noted(Cluster.current().waiting(self._resources))

    def _take_back(self) -> None:
        while self._planned:
            self._ledger.hand_back(self._planned.popleft().number)

    def _plan_ahead(self) -> None:
        """Ask while all are at work, so that a free worker never waits for the sampler."""
        if self._workers.free <= 0:
            self._plan(min(len(self._planned) + 1, self._ahead))

    def _far(self, *, seconds: float) -> int:
        """How many plans to ask for ahead, beside trials of this length.

        Planning ahead makes the sampler's knowledge older; where trials are shorter than a few draws, workers that wait
        cost more than that. One after the other, each trial is drawn from all before it, so that a seed has one
        sequence, also over restarts.
        """
        if self._workers.most == 1:
            return 0
        return self._workers.most if seconds < SHORT else 1

    def _plan(self, count: int) -> None:
        while len(self._planned) < count and (plan := self._ledger.next_plan()) is not None:
            self._planned.append(plan)

    def _listen(self) -> None:
        """Take in what the workers tell, for as long as one thing follows close upon another."""
        until = time.monotonic() + TOGETHER
        while time.monotonic() < until:
            self._hear()
            if not self._workers.wait(CLOSE):
                return

    def _hear(self) -> None:
        """Take in what the workers have told by now."""
        for worker, told in self._workers.hear():
            self._take(worker, told)

    def _take(self, worker: Worker, told: Heard) -> None:
        number = worker.trial
        if isinstance(told, Reported):
            record = EpochRecord(told.epoch, told.metrics)
            self._workers.answer(worker, goes_on=self._ledger.record(number, record, told.checkpoint))
        elif isinstance(told, Ended):
            self._end(worker, told)
        else:
            self._ledger.lost(number)

    def _end(self, worker: Worker, ended: Ended) -> None:
        if ended.no_space is not None:
            raise NoSpaceError(ended.no_space)
        self._ahead = self._far(seconds=worker.seconds)
        self._ledger.end(worker.trial, error=ended.error)
        self._hand_out()
