"""What a cluster does not see is found out by every host that would need it, before a trial begins."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from gradfleet.errors import ClusterError
from gradfleet.fleet.package import Manifest
from gradfleet.fleet.preflight import check_artifacts, check_nodes

pytestmark = pytest.mark.ray


@pytest.mark.usefixtures("two_cores")
def test_a_host_that_does_not_see_the_prepared_data_says_so_and_nothing_is_left(tmp_path: Path) -> None:
    data = tmp_path / "prepared" / "0123"
    manifest = Manifest(study="digits", artifacts=str(tmp_path), data=str(data))
    message = (
        f"The host {socket.gethostname()} does not see the prepared data at {data}. Pass artifacts= with a place that "
        "all hosts of the cluster share, such as a mounted folder or s3://bucket/folder."
    )
    with pytest.raises(ClusterError, match=re.escape(message)):
        check_nodes(manifest)
    data.mkdir(parents=True)
    (data / "manifest.json").write_text("{}")
    check_nodes(manifest)
    assert list((tmp_path / "digits").iterdir()) == []


def test_artifacts_that_are_others_where_the_driver_runs_are_refused(tmp_path: Path) -> None:
    manifest = Manifest(study="digits", artifacts=str(tmp_path), data=None)
    kept = tmp_path / "digits" / "sent-0123"
    message = (
        f"The driver on {socket.gethostname()} does not see what was put at {tmp_path} when the sweep was sent: that "
        "is another place there. Pass artifacts= with a place that all hosts of the cluster share"
    )
    with pytest.raises(ClusterError, match=re.escape(message)):
        check_artifacts(manifest, str(kept))
    with pytest.raises(ClusterError, match="Protocol not known: nowhere.*Pass artifacts="):
        check_artifacts(manifest, "nowhere://bucket/digits/sent-0123")
    kept.mkdir(parents=True)
    manifest.write(kept)
    check_artifacts(manifest, str(kept))


def test_a_place_that_the_driver_cannot_make_is_said_with_what_to_pass_instead() -> None:
    manifest = Manifest(study="digits", artifacts="/proc/nowhere", data=None)
    with pytest.raises(ClusterError, match=r"The driver's host cannot write to /proc/nowhere/digits/.*Pass artifacts="):
        check_nodes(manifest)
