"""The Ray cluster that trials run on: connect once, and say what it holds."""

from __future__ import annotations

import atexit
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import ray
from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
from ray._private.services import canonicalize_bootstrap_address
from ray.autoscaler.v2.sdk import get_cluster_status
from ray.experimental.internal_kv import _internal_kv_get

from gradfleet.errors import ClusterError
from gradfleet.fleet.cluster_token import unsent_token
from gradfleet.fleet.quiet import quiet_ray
from gradfleet.fleet.ray_client import is_refused
from gradfleet.fleet.scratch import make_scratch, remove_scratch
from gradfleet.fleet.sharing import Part
from gradfleet.trials.resources import Resources

_LOOK_EVERY = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Node:
    """A host of a cluster, with all its cores and devices, used or not."""

    cpu: float
    gpu: float

    def holds(self, resources: Resources) -> int:
        """How many processes of this size it holds."""
        gpu = resources.gpu or 0.0
        fits = [int(have / need + 1e-9) for have, need in ((self.cpu, resources.cpu), (self.gpu, gpu)) if need > 0]
        return min(fits)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected Ray cluster, as it is now.

    Attributes:
        grows: whether an autoscaler adds hosts for what waits.
    """

    nodes: tuple[Node, ...]
    grows: bool = False

    @classmethod
    def current(cls) -> Self:
        """The one that this process is connected to."""
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return cls(tuple(Node(cpu=one.get("CPU", 0.0), gpu=one.get("GPU", 0.0)) for one in alive), _grows())

    @property
    def cpu(self) -> float:
        """Cores of all nodes together."""
        return sum(node.cpu for node in self.nodes)

    @property
    def gpu(self) -> float:
        """Devices of all nodes together."""
        return sum(node.gpu for node in self.nodes)

    def workers(self, resources: Resources) -> int:
        """How many trials of this size may be started; a process never spans hosts, a gang of them may.

        As many as it holds; of a cluster that grows twice as many, and one at least: it grows for what waits.

        Raises:
            ClusterError: it never holds one; what is asked and what there is are in the message.
        """
        held = self.held(resources)
        if self.grows:
            return max(1, 2 * held)
        if not held:
            raise ClusterError(f"{self._lacking(resources)} Ask for less with resources=Resources(...).")
        return held

    def held(self, resources: Resources) -> int:
        """How many trials of this size it holds at once."""
        return self._processes(resources) // resources.workers

    def waiting(self, resources: Resources) -> str:
        """Why no trial of this size begins, in a sentence."""
        free = ray.available_resources()
        asked = _amounts(resources.cpu, resources.gpu or 0.0)
        if resources.workers > 1:
            asked = f"{resources.workers} workers of {asked} each"
        there = f"{_amounts(self.cpu, self.gpu)} in all and {_amounts(free.get('CPU', 0), free.get('GPU', 0))} free"
        why = "Waiting for it to grow." if self.grows else "Others use the rest; waiting for room."
        return f"A trial asks for {asked}; the cluster has {there}. {why}"

    def _processes(self, resources: Resources) -> int:
        return sum(node.holds(resources) for node in self.nodes)

    def _lacking(self, resources: Resources) -> str:
        asked, held = _amounts(resources.cpu, resources.gpu or 0.0), self._processes(resources)
        if held:
            return (
                f"A trial asks for {resources.workers} workers of {asked} each, but the cluster holds {held} of them."
            )
        if self.cpu < resources.cpu or self.gpu < (resources.gpu or 0.0):
            return f"A trial asks for {asked}, but the cluster has {_amounts(self.cpu, self.gpu)} in all."
        largest = max(self.nodes, key=lambda node: (node.gpu, node.cpu) if resources.gpu else (node.cpu, node.gpu))
        return (
            f"A trial asks for {asked} on one host, but none of the cluster's {len(self.nodes)} hosts has that; the "
            f"largest has {_amounts(largest.cpu, largest.gpu)}."
        )


class Room:
    """How many workers for trials of one size a sweep may have, looked at anew every few seconds: hosts come and go.

    Args:
        cluster: as it is now.
        part: the sweep's own, of what it shares with others.

    Raises:
        ClusterError: as `Cluster.workers`.
    """

    def __init__(self, resources: Resources, cluster: Cluster, *, part: Callable[[], Part]) -> None:
        self._resources = resources
        self._part = part
        self._see(cluster)

    @property
    def most(self) -> int:
        """How many there may be, those that wait for room included: a cluster grows for what waits."""
        self._look()
        return max(1, self._part().of(self._workers))

    @property
    def own(self) -> int:
        """How many may go on to another trial; those beyond give their room to whoever waits for it."""
        part = self._part()
        self._look()
        return self.most if part.sweeps == 1 else part.of(self._held)

    def _look(self) -> None:
        if time.monotonic() - self._looked > _LOOK_EVERY:
            with suppress(ClusterError):  # a cluster that has lost all its hosts may get others
                self._see(Cluster.current())

    def _see(self, cluster: Cluster) -> None:
        self._looked = time.monotonic()
        self._workers, self._held = cluster.workers(self._resources), cluster.held(self._resources)


def _grows() -> bool:
    """Whether an autoscaler runs the cluster: it names the types of its hosts, else each host is a type of its own.

    KubeRay names them in any case; without an autoscaler its head begins with Ray's own monitor.
    """
    begun = os.environ.get("KUBERAY_GEN_RAY_START_CMD", "").split()
    if "--head" in begun and "--no-monitor" not in begun:
        return False
    status = get_cluster_status(ray.get_runtime_context().gcs_address)
    types = [node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes)]
    told = json.loads(_internal_kv_get(DEBUG_AUTOSCALING_STATUS) or b"{}")
    types += told.get("autoscaler_report", {}).get("active_nodes", {})
    return any(not name.startswith("node_") for name in types)


def _amounts(cpu: float, gpu: float) -> str:
    return f"{cpu:g} cpu and {gpu:g} gpu"


def connect(address: str | None = None) -> Cluster:
    """Connect this process to a Ray cluster, or start a private one on this machine.

    Args:
        address: None starts (or reuses) a Ray of this process alone, in its own temporary folder and without a
            dashboard; it never attaches to a neighbour's. "auto" joins the cluster that this machine is part of.

    Raises:
        ClusterError: no cluster answers, or the address is of a kind that is not known.
        AccessError: the cluster that this machine is part of does not take this process's token.
    """
    if not ray.is_initialized():
        with quiet_ray():
            _start(address)
    return Cluster.current()


def _start(address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        # Ray's sockets must have short paths (107 bytes), so this is not under the study's own folder.
        folder = make_scratch("ray")
        atexit.register(_shut_down, folder)
        options |= {"include_dashboard": False, "_temp_dir": str(folder)}
    elif address != "auto":
        raise ClusterError(f"cluster is None (this machine), 'auto' or 'inline'; got {address!r}.")
    else:
        _check_token()
    try:
        ray.init(address=address or "local", **options)
    except Exception as error:  # that is what Ray raises when its processes need more than half a minute to begin
        raise ClusterError(f"Ray could not be reached or started: {error}") from error


def _check_token() -> None:
    """
    Raises:
        AccessError: the cluster that this machine is part of does not take it; Ray would try for half a minute.
    """
    place = canonicalize_bootstrap_address("auto")
    if place is not None and is_refused(place, "/ray.rpc.NodeInfoGcsService/GetClusterId"):
        raise unsent_token(place)


def _shut_down(folder: Path) -> None:
    ray.shutdown()
    remove_scratch(folder)
