"""Readiness: whether the store answers, and how the cluster is."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gradfleet.errors import AccessError, ClusterError
from gradfleet.fleet.own_cluster import OwnCluster
from gradfleet.service.documents import Readiness
from gradfleet.service.service import Service

FIRST, NEXT, STARTING = "starts with the first sweep", "has ended; the next sweep starts it again", "is starting"
AT_REST = (FIRST, NEXT, STARTING)
"""What the own cluster may be without anything being wrong."""


def look(service: Service, *, cluster: str) -> Readiness:
    """The service is ready while its store answers; a cluster that is away only keeps sweeps waiting.

    Args:
        cluster: how that is.
    """
    store = _store(service)
    return Readiness(ready=store == "ok", store=store, cluster=cluster)


def cluster(service: Service) -> str:
    """ "ok", "local" where sweeps are processes of this machine, one of `AT_REST`, or why nothing is sent there."""
    own = service.own_cluster
    if own is not None:
        return _own(own)
    address = service.settings.remote_cluster
    return "local" if address is None else _answer(address, may_be_open=service.settings.open_cluster)


def _own(cluster: OwnCluster) -> str:
    head = cluster.head
    if head is None or not head.is_alive:
        return FIRST if head is None else NEXT
    return STARTING if head.address is None else _answer(head.address, may_be_open=False)


def _answer(address: str, *, may_be_open: bool) -> str:
    from gradfleet.fleet.jobs import RemoteCluster  # Ray takes a second to import

    try:
        RemoteCluster(address).check()
        if not may_be_open:
            refuse_open(address)
    except ClusterError as error:
        return str(error)
    return "ok"


def refuse_open(address: str) -> None:
    """Refuse a cluster in which anybody who reaches it may run code.

    Raises:
        AccessError: it asks nobody for a token.
        ClusterError: nothing answers there.
    """
    from gradfleet.fleet.jobs import RemoteCluster

    if RemoteCluster(address).is_open():
        raise AccessError(
            f"The cluster at {address} asks nobody for a token, so whoever reaches it can run code there. Start it "
            "with RAY_AUTH_MODE=token, or the service with --allow-open-cluster."
        )


def _store(service: Service) -> str:
    # Once, without the patience of a write: whoever asks wants to know how it is now.
    try:
        with service.store.database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return f"The store {service.store.url} does not answer ({type(error).__name__})."
    return "ok"
