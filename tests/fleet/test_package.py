"""What travels to a cluster: the order and the user's own modules, checked before they are sent."""

from __future__ import annotations

import re
from pathlib import Path

import cloudpickle
import pytest

from gradfleet.errors import AccessError, ClusterError, ExecutionError, SettingError
from gradfleet.fleet import job_driver, package
from gradfleet.fleet.jobs import RemoteCluster
from gradfleet.fleet.preflight import check_versions
from gradfleet.study.storage.store import Store

PLACE = {"study": "s", "artifacts": "/a", "data": None}


def test_a_package_holds_the_order_the_modules_and_what_the_other_side_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "gf_mine.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    order, folder = cloudpickle.dumps("gf_mine"), tmp_path / "package"
    folder.mkdir()
    package.write_package(folder, order, study="s", artifacts="/a", data="/a/prepared/x")
    assert (folder / package.ORDER).read_bytes() == order
    assert (folder / "gf_mine.py").read_text() == "value = 1\n"
    manifest = package.Manifest.read(folder)
    assert (manifest.study, manifest.data, manifest.modules) == ("s", "/a/prepared/x", ("gf_mine.py",))
    check_versions(manifest)


def test_what_cannot_be_read_on_the_cluster_is_why_the_study_has_failed(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    values = {"objective": {"metric": "score", "mode": "max"}, "space": {"dimensions": []}}
    url = f"sqlite:///{tmp_path / 'gradfleet.db'}"
    with Store.open(url) as store:
        store.create_study("s", values, artifacts=str(tmp_path))
        package.write_package(
            tmp_path / "package", b"cgf_gone\nrecipe\n.", study="s", artifacts=str(tmp_path), data=None
        )
        package.Call(store=url, started=0.0, kept="").write(tmp_path / "package")
        with pytest.raises(ExecutionError, match="The recipe does not import on the cluster"):
            job_driver.run(tmp_path / "package")
        study = store.study("s")
        assert (study.state, str(study.problem).partition(" (")[0]) == (
            "failed",
            "The recipe does not import on the cluster",
        )


def test_code_that_is_too_large_to_travel_is_refused_with_its_largest_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gf_large").mkdir()
    (tmp_path / "gf_large" / "__init__.py").write_text("")
    with (tmp_path / "gf_large" / "rows.bin").open("wb") as file:
        file.truncate(60 * 2**20)
    monkeypatch.syspath_prepend(str(tmp_path))
    message = (
        "The code that has to travel to the cluster has 60.0 MiB; at most 50.0 MiB do. Keep data out of your packages "
        "and of what your functions hold: pass it to fit, or read it from a place that the cluster sees. The largest: "
        "gf_large/rows.bin (60.0 MiB), the recipe (0.0 MiB), gf_large/__init__.py (0.0 MiB)."
    )
    with pytest.raises(SettingError, match=re.escape(message)):
        package.write_package(tmp_path / "package", cloudpickle.dumps("gf_large"), **PLACE)


def test_another_gradfleet_or_python_on_the_cluster_is_refused_with_both_versions() -> None:
    with pytest.raises(ClusterError, match=r"The cluster has gradfleet .*, and the sweep was sent by gradfleet 0.0.1."):
        check_versions(package.Manifest(**PLACE, gradfleet="0.0.1"))
    with pytest.raises(ClusterError, match=r"The cluster has Python 3.\d+, and the sweep was sent by Python 2.7."):
        check_versions(package.Manifest(**PLACE, python="2.7.18"))


def test_an_address_that_does_not_answer_is_said_at_once() -> None:
    with pytest.raises(
        ClusterError,
        match="No Ray cluster answers at http://127.0.0.1:9 .Connection refused.. The address is that of Ray's "
        "dashboard, such as http://head:8265.",
    ) as caught:
        RemoteCluster("http://127.0.0.1:9").check()
    assert not isinstance(caught.value, AccessError)
