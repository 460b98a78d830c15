"""Readiness: whether the store answers, and how the cluster is."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gradfleet.errors import AccessError, ClusterError
from gradfleet.service.documents import Readiness
from gradfleet.service.service import Service


def look(service: Service, *, cluster: str) -> Readiness:
    """The service is ready while its store answers; a cluster that is away only keeps sweeps waiting.

    Args:
        cluster: how that is.
    """
    store = _store(service)
    return Readiness(ready=store == "ok", store=store, cluster=cluster)


def cluster(service: Service) -> str:
    """ "ok", "local" where sweeps run on this machine, or why nothing is sent there."""
    address = service.settings.remote_cluster
    if address is None:
        return "local"
    from gradfleet.fleet.jobs import RemoteCluster  # Ray takes a second to import

    try:
        RemoteCluster(address).check()
        if not service.settings.open_cluster:
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
