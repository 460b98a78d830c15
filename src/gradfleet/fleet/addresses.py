"""What the address of a cluster alone tells."""

from __future__ import annotations

from typing import TypeGuard

CLUSTERS = ("auto", "inline")
"""What a cluster is called that has no address."""

CLIENT = "ray://"
SERVICE = "service+"
_HTTP = ("http://", "https://")
_LOOPBACK = "http://127.0.0.1:"


def is_dashboard(cluster: object) -> TypeGuard[str]:
    """Whether it is that of Ray's dashboard, to which jobs are sent."""
    return isinstance(cluster, str) and cluster.startswith(_HTTP)


def is_loopback(cluster: object) -> TypeGuard[str]:
    """Whether it is such as a store's own cluster has, which only its own host reaches."""
    return isinstance(cluster, str) and cluster.startswith(_LOOPBACK)


def is_remote(cluster: object) -> TypeGuard[str]:
    """Whether a sweep is sent there as a job, instead of being driven from here."""
    return is_dashboard(cluster) or (isinstance(cluster, str) and cluster.startswith(CLIENT))


def is_service(url: object) -> TypeGuard[str]:
    """Whether a cluster or a store is a service: `service+http://host:8000`."""
    return isinstance(url, str) and url.startswith(SERVICE) and is_dashboard(url.removeprefix(SERVICE))
