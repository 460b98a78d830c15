"""Whether a cluster can do what a sweep needs, found out by doing it: on the driver's host, then on every node."""

from __future__ import annotations

import platform
import secrets
import socket
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import TypeVar

import fsspec
import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gradfleet.errors import ClusterError, ExecutionError, GradfleetError, NotFoundError, StoreError
from gradfleet.fleet.package import MANIFEST, Manifest

T = TypeVar("T")
_ANSWERS_WITHIN = 60.0  # seconds; a node may have to start a process first
_PLACE = "Pass {argument}= with a place that all hosts of the cluster share, such as a mounted folder or {example}."
_SHARED = {
    "artifacts": _PLACE.format(argument="artifacts", example="s3://bucket/folder"),
    "store": _PLACE.format(argument="store", example="postgresql://host/database"),
}


def check_versions(manifest: Manifest) -> None:
    """Refuse an order that was written by another gradfleet, or by a Python that may not read it here.

    Raises:
        ClusterError: both versions are in the message.
    """
    here = {"gradfleet": version("gradfleet"), "Python": _minor(platform.python_version())}
    there = {"gradfleet": manifest.gradfleet, "Python": _minor(manifest.python)}
    for name, ours in here.items():
        if ours != there[name]:
            raise ClusterError(
                f"The cluster has {name} {ours}, and the sweep was sent by {name} {there[name]}. Install the same "
                "on both sides."
            )


def imported(load: Callable[[], T]) -> T:
    """What `load` reads from a package.

    Raises:
        ExecutionError: the user's code does not import here; its traceback is in the message.
    """
    try:
        return load()
    except GradfleetError:
        raise
    except Exception as error:
        raise ExecutionError(
            f"The recipe does not import on the cluster ({socket.gethostname()}). What it needs beside its own modules "
            f"must be installed there.\n{traceback.format_exc().rstrip()}"
        ) from error


def check_store(opened: Callable[[], T], url: str, study: str) -> T:
    """The study, as the driver's host finds it in the store.

    Raises:
        ClusterError: the store is not reached from there, or is another one; what to pass instead is in the message.
    """
    host = socket.gethostname()
    try:
        return opened()
    except NotFoundError as error:
        raise ClusterError(
            f"The driver on {host} finds no study {study!r} at {url}: that is another place there. {_SHARED['store']}"
        ) from error
    except StoreError as error:
        raise ClusterError(f"The driver on {host} does not reach the store: {error} {_SHARED['store']}") from error


def check_artifacts(manifest: Manifest, kept: str) -> None:
    """Refuse artifacts that are not those of the side that sent the sweep, such as a folder of each host's own.

    Args:
        kept: URL of the package's copy among them.

    Raises:
        ClusterError: it is not seen from here; what to pass instead is in the message.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(kept)
        seen, why = filesystem.exists(f"{path}/{MANIFEST}"), "that is another place there"
    except Exception as error:  # of any file system
        seen, why = False, f"{type(error).__name__}: {error}"
    if not seen:
        raise ClusterError(
            f"The driver on {socket.gethostname()} does not see what was put at {manifest.artifacts} when the sweep "
            f"was sent: {why}. {_SHARED['artifacts']}"
        )


def check_nodes(manifest: Manifest) -> None:
    """Have every node with cores write to the artifacts and look at the data.

    Raises:
        ClusterError: a node does not see them; the host and what to pass instead are in the message.
    """
    mark = f"{manifest.artifacts}/{manifest.study}/preflight-{secrets.token_hex(4)}"
    try:
        filesystem, path = fsspec.core.url_to_fs(mark)
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(f"{path}/driver", b"")
    except Exception as error:  # of any file system
        raise ClusterError(_unwritable("driver's host", mark, error)) from error
    try:
        asked = [_ask(node["NodeID"], mark, manifest.data) for node in _nodes()]
        ready, late = ray.wait(asked, num_returns=len(asked), timeout=_ANSWERS_WITHIN)
        problems = [problem for one in ready if (problem := _answer(one)) is not None]
        if problems:
            raise ClusterError("\n".join(problems))
        if late:
            raise ClusterError(f"{len(late)} nodes of the cluster did not answer within {_ANSWERS_WITHIN:g} s.")
    finally:
        filesystem.rm(path, recursive=True)


def _nodes() -> Iterator[dict[str, str]]:
    return (node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0)


def _ask(node: str, mark: str, data: str | None) -> ray.ObjectRef[str | None]:
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    asked: ray.ObjectRef[str | None] = _look.options(scheduling_strategy=where, num_cpus=0).remote(mark, data)
    return asked


def _answer(asked: ray.ObjectRef[str | None]) -> str | None:
    """What a node says; nothing where it has died since the cluster listed it."""
    try:
        said: str | None = ray.get(asked)
    except RayTaskError:
        raise
    except RayError:
        return None
    return said


@ray.remote(max_retries=0)
def _look(mark: str, data: str | None) -> str | None:
    """What this node does not see, as a sentence; None when it sees everything."""
    host = socket.gethostname()
    try:
        filesystem, path = fsspec.core.url_to_fs(mark)
        seen = filesystem.exists(f"{path}/driver")
        if seen:
            filesystem.pipe_file(f"{path}/{host}-{secrets.token_hex(4)}", b"")
    except Exception as error:
        return _unwritable(f"host {host}", mark, error)
    if not seen:
        return f"The host {host} does not see what the driver wrote to {mark}. {_SHARED['artifacts']}"
    if data is not None:
        filesystem, path = fsspec.core.url_to_fs(data)
        if not filesystem.exists(f"{path}/manifest.json"):
            return f"The host {host} does not see the prepared data at {data}. {_SHARED['artifacts']}"
    return None


def _unwritable(who: str, mark: str, error: Exception) -> str:
    return f"The {who} cannot write to {mark}: {type(error).__name__}: {error}. {_SHARED['artifacts']}"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
