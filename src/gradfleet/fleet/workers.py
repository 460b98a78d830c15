"""The workers of one sweep: Ray actors that are started when there is work, kept, and replaced when they die."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, remove_placement_group

from gradfleet.errors import ExecutionError
from gradfleet.fleet.cluster import Room
from gradfleet.fleet.gang import GangWorker, reserve
from gradfleet.fleet.worker import Ended, Reported, TrialWorker
from gradfleet.trials.resources import Resources

TURN = 20.0
"""Seconds that a worker is kept where sweeps take turns: it takes some to start one."""

YIELDS = 1.0
"""Seconds in which no worker is asked for after one has given its room back: who waited for that is to have it."""

MAX_STILLBORN = 3
"""How many times in a row workers may die as they start; those that started together count once."""


@dataclass(frozen=True, slots=True)
class Died:
    """A worker is gone, and its trial, if it had one, with it."""


Heard: TypeAlias = Reported | Ended | Died


@dataclass(eq=False, slots=True)
class Worker:
    """One process.

    Attributes:
        placed: is there once the cluster has had room for it.
        place: what is reserved for it, where that is more than its actor takes.
        trial: the number of the trial that it runs, or ran last.
        made: when it was asked for.
        since: when it began its first trial.
    """

    actor: Any
    placed: Any
    place: PlacementGroup | None = None
    trial: int = -1
    begun: float = 0.0
    made: float = field(default_factory=time.monotonic)
    since: float = math.inf

    @property
    def seconds(self) -> float:
        """Since that trial began."""
        return time.monotonic() - self.begun


class Workers:
    """As many workers as there is room for, each with the `resources` of one trial.

    Use it as a context manager, which ends them.

    Args:
        recipe: as `by_value` makes it; it is stored in the cluster once.
        room: how many workers there may be.
    """

    def __init__(self, recipe: bytes, *, room: Room, resources: Resources) -> None:
        self._room = room
        self._new = partial(_start, ray.put(recipe), resources)
        self._starting: dict[Any, Worker] = {}
        self._idle: list[Worker] = []
        self._busy: dict[Any, Worker] = {}
        self._stillborn = 0
        self._yields_until = -math.inf
        self._counted = -math.inf  # when a death at birth was counted last

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in [*self._starting.values(), *self._idle, *self._busy.values()]:
            _kill(worker)

    @property
    def most(self) -> int:
        """How many trials run side by side, when there are so many."""
        return self._room.most

    @property
    def running(self) -> set[int]:
        """The trials that run."""
        return {worker.trial for worker in self._busy.values()}

    @property
    def idle(self) -> int:
        """How many wait for a trial."""
        return len(self._idle)

    @property
    def unplaced(self) -> bool:
        """Whether there are workers that start, and the cluster has room for none of them."""
        placed = [worker.placed for worker in self._starting.values()]
        return bool(placed) and not ray.wait(placed, num_returns=1, timeout=0)[0]

    @property
    def free(self) -> int:
        """How many trials could be given out, those to workers that are still to start included."""
        return self.most - len(self._busy)

    def prepare(self, trials: int) -> None:
        """Start as many workers as so many waiting trials need beside those that are there."""
        if time.monotonic() < self._yields_until:
            return
        for _ in range(min(trials, self.free) - len(self._idle) - len(self._starting)):
            worker = self._new()
            self._starting[worker.actor.ready.remote()] = worker

    def release(self) -> None:
        """End those that run no trial."""
        for worker in [*self._starting.values(), *self._idle]:
            _kill(worker)
        self._starting.clear()
        self._idle.clear()

    def shrink(self) -> None:
        """End those for which there is no room any more; those that run a trial stay.

        Where no room is the sweep's own, it takes turns with others, and a worker stays for its turn.
        """
        own = self._room.own
        for _ in range(len(self._busy) + len(self._idle) + len(self._starting) - self.most):
            if self._starting:
                _kill(self._starting.popitem()[1])
            elif self._idle:
                _kill(self._idle.pop())
        used = [worker for worker in self._idle if worker.trial >= 0]
        for worker in used[: max(0, len(self._busy) + len(used) - own)]:
            if own or time.monotonic() - worker.since > TURN:
                self._idle.remove(worker)
                _kill(worker)
                self._yields_until = time.monotonic() + YIELDS

    def start(self, number: int, plan: bytes) -> None:
        """Give a trial to a worker that waits for one."""
        worker = self._idle.pop()
        worker.trial, worker.begun = number, time.monotonic()
        worker.since = min(worker.since, worker.begun)
        self._busy[worker.actor.start.remote(plan)] = worker

    def answer(self, worker: Worker, *, goes_on: bool) -> None:
        """Answer the record that `worker` has told of."""
        self._busy[worker.actor.answer.remote(goes_on)] = worker

    def end(self, number: int) -> None:
        """End the worker of a trial, in the middle of whatever it does."""
        for call, worker in list(self._busy.items()):
            if worker.trial == number:
                del self._busy[call]
                _kill(worker)

    def wait(self, seconds: float) -> bool:
        """Wait until a worker has something to tell, at most so long; whether one has."""
        calls = [*self._busy, *self._starting]
        if not calls:
            time.sleep(seconds)
            return False
        return bool(ray.wait(calls, num_returns=1, timeout=seconds)[0])

    def hear(self) -> Iterator[tuple[Worker, Heard]]:
        """What workers that run a trial have to tell by now, one by one; those that have started are idle from now on.

        Who has told of a record waits for `answer`; who has told of an end is free for the next trial.

        Raises:
            ExecutionError: workers die as they start, one after the other.
        """
        calls = [*self._busy, *self._starting]
        ready = ray.wait(calls, num_returns=len(calls), timeout=0)[0] if calls else []
        for call in ready:
            if call in self._starting:
                self._started(call)
        for call in ready:
            if call in self._busy:  # else it was a start, or was ended meanwhile
                yield self._heard(call)

    def _started(self, call: Any) -> None:
        worker = self._starting.pop(call)
        try:
            ray.get(call)
        except RayError as error:
            _kill(worker)
            self._count_stillborn(worker, error)
        else:
            self._stillborn = 0
            self._idle.append(worker)

    def _count_stillborn(self, worker: Worker, error: RayError) -> None:
        """
        Raises:
            ExecutionError: as `hear`.
        """
        if worker.made < self._counted:  # a host that is lost ends all that were starting there
            return
        self._counted = time.monotonic()
        self._stillborn += 1
        if self._stillborn >= MAX_STILLBORN:
            raise ExecutionError(
                f"{MAX_STILLBORN} workers died one after the other as they started; the last one: {error}"
            ) from error

    def _heard(self, call: Any) -> tuple[Worker, Heard]:
        worker = self._busy.pop(call)
        try:
            heard: Heard = ray.get(call)
        except RayTaskError:
            raise
        except RayError:
            _kill(worker)  # one that is out of reach must not train on beside its successor
            return worker, Died()
        if isinstance(heard, Ended):
            self._idle.append(worker)
        return worker, heard


def _start(recipe: Any, resources: Resources) -> Worker:
    """A worker that starts: an actor of its own, or one that stands for a gang."""
    # SPREAD: a sweep that does not fill the cluster shares its hosts out evenly.
    options: dict[str, Any] = {"max_restarts": 0, "scheduling_strategy": "SPREAD"}
    if resources.workers > 1:
        place, gang = reserve(resources), ray.remote(GangWorker).options(**options, num_cpus=0)
        return Worker(gang.remote(recipe, resources, place), place.ready(), place)
    alone = ray.remote(TrialWorker).options(**options, num_cpus=resources.cpu, num_gpus=resources.gpu or 0)
    actor: Any = alone.remote(recipe)
    return Worker(actor, actor.is_placed.remote())


def _kill(worker: Worker) -> None:
    ray.kill(worker.actor)
    if worker.place is not None:
        remove_placement_group(worker.place)
