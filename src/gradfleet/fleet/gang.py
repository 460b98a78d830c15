"""A gang: the processes that train one trial together, each with its share of every batch.

All of a gang is reserved at once, as one placement group: two gangs that wait can never hold half of what the other
needs. A gang stays warm from trial to trial.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import ray
from ray.exceptions import RayError
from ray.util.placement_group import PlacementGroup, placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from gradfleet.fleet.worker import Ended, Reported, TrialWorker
from gradfleet.trials.resources import Resources

if TYPE_CHECKING:  # it imports torch, before which a member has to say who it is
    from gradfleet.trials.plan import TrialPlan

_KNOWN_WITHIN = 2.0  # seconds; a host that is gone is known to be later, and its trial fails instead of being lost


def reserve(resources: Resources) -> PlacementGroup:
    """Room for one gang, on as few hosts as there is room on.

    A placement group that an actor has made outlives the actor, so the driver makes it and takes it away.
    """
    one = {"CPU": float(resources.cpu), "GPU": float(resources.gpu or 0.0)}
    bundle = {name: amount for name, amount in one.items() if amount}
    place: PlacementGroup = placement_group([bundle] * resources.workers, strategy="PACK")
    return place


class GangWorker:
    """Becomes a Ray actor that needs nothing itself, and stands for its gang as a `TrialWorker` does for itself.

    Every process reports every record, and all get the same answer; what the first one reports is the trial's. When one
    raises, the others wait for it in vain, so all of them are replaced before the next trial. When one dies, this actor
    dies too: its trial is lost, not failed.

    Args:
        place: as `reserve` makes it; whoever made it gives it back.
    """

    def __init__(self, recipe: bytes, resources: Resources, place: PlacementGroup) -> None:
        self._recipe = ray.put(recipe)
        self._resources = resources
        self._place = place
        self._members: list[Any] = []

    def ready(self) -> None:
        """Return once all processes are there, which may wait for others' trials to end."""
        ray.get(self._place.ready())
        self._members = [self._member(rank) for rank in range(self._resources.workers)]
        where = self._of_all([self._members[0].where.remote()])[0]
        size = len(self._members)
        self._of_all([member.join.remote(rank, size, *where) for rank, member in enumerate(self._members)])

    def start(self, plan: bytes) -> Reported | Ended:
        """Begin a trial; its first record, or its end."""
        if not self._members:
            self.ready()
        return self._next([member.start.remote(plan) for member in self._members])

    def answer(self, goes_on: bool) -> Reported | Ended:  # Ray's calls are positional
        """Answer the record that waits; the next one, or the trial's end."""
        return self._next([member.answer.remote(goes_on) for member in self._members])

    def _next(self, calls: list[Any]) -> Reported | Ended:
        """What the first process tells, once all have come as far."""
        waiting = list(calls)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            told: Reported | Ended = self._of_all(ready)[0]
            if isinstance(told, Ended) and (told.error or told.no_space):
                self._exit_if_one_is_dead()
                self._disband()
                return told
        first: Reported | Ended = ray.get(calls[0])
        return first

    def _of_all(self, calls: list[Any]) -> list[Any]:
        try:
            return list(ray.get(calls))
        except RayError:
            ray.actor.exit_actor()  # the driver learns of a death from a death
            raise

    def _exit_if_one_is_dead(self) -> None:
        """What dies has the others raise that their peer is gone, and they may say so before Ray knows of it."""
        time.sleep(_KNOWN_WITHIN)
        self._of_all([member.is_alive.remote() for member in self._members])

    def _member(self, rank: int) -> Any:
        where = PlacementGroupSchedulingStrategy(self._place, placement_group_bundle_index=rank)
        of_one = {
            "num_cpus": self._resources.cpu,
            "num_gpus": self._resources.gpu or 0,
            "max_restarts": 0,
            "max_concurrency": 2,
        }
        actor: Any = ray.remote(GangMember)
        return actor.options(**of_one, scheduling_strategy=where).remote(self._recipe)

    def _disband(self) -> None:
        for member in self._members:
            ray.kill(member)
        self._members = []


class GangMember(TrialWorker):
    """One process of a gang."""

    def __init__(self, recipe: bytes) -> None:
        self._given = recipe

    def is_alive(self) -> bool:
        return True

    def _own(self, plan: TrialPlan) -> TrialPlan:
        """What the first process prints is the trial's log; the others would write over it."""
        return plan if os.environ["RANK"] == "0" else replace(plan, log=None)

    def where(self) -> tuple[str, int]:
        """Where the others find this one: its host's address, and a port that is free there."""
        with socket.socket() as free:
            free.bind(("", 0))
            return ray.util.get_node_ip_address(), int(free.getsockname()[1])

    def join(self, rank: int, size: int, address: str, port: int) -> None:
        """Say to torch and Accelerate who is who, as `torchrun` would, before either is imported; then import both."""
        said = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": 0, "MASTER_ADDR": address, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in said.items()})
        # Without it Gloo asks for the host's own name, which many hosts know as loopback.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _interface(ray.util.get_node_ip_address()))
        super().__init__(self._given)
        self.ready()


def _interface(address: str) -> str:
    """The network device that has an address."""
    devices = psutil.net_if_addrs().items()
    return next((name for name, of in devices if any(one.address == address for one in of)), "lo")
