"""A service from Python and from the command line: the verbs and errors that a study has here."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gradfleet import AutoModel, Objective, Resources, autotask
from gradfleet.errors import AccessError, ClusterError, ConflictError, ExecutionError, NotFoundError, SettingError
from gradfleet.fleet import service_sweep
from gradfleet.fleet.service_client import ServiceClient
from gradfleet.fleet.service_order import placed
from gradfleet.fleet.service_sweep import ServiceSweep
from gradfleet.goal import Aim, aim
from gradfleet.service import submissions
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from tests.cli.conftest import Begin, Run, write_images
from tests.cli.conftest import begin as begin
from tests.service.conftest import write_study
from tests.service.test_serve import started

FRONT = aim([Objective("val_accuracy", "max"), Objective("val_loss", "min")])


@pytest.mark.usefixtures("token")
def test_a_sweep_is_looked_at_as_a_study_is(address: str, study: StudyRow) -> None:
    service = ServiceClient(address)
    assert [one["name"] for one in service.sweeps()] == ["digits"]
    sweep = service.sweep("digits")
    assert (sweep.state, sweep.best.number, sweep.wait().facts()["trials"]) == ("completed", 2, 4)
    assert sweep.leaderboard()["trial"].tolist() == [2, 0, 1, 3]
    assert sweep.leaderboard(1, where="value < 0.9", sort="value")["trial"].tolist() == [1]
    shown = sweep._repr_html_()
    assert "<strong>digits</strong> is completed: best val_accuracy" in shown
    assert f'<a href="{address.removeprefix("service+")}/ui/sweeps/digits"' in shown
    with pytest.raises(ConflictError, match="digits is completed: there is no sweep to pause"):
        sweep.pause()
    sweep.delete()
    with pytest.raises(NotFoundError, match="No study is called 'digits'"):
        service.sweep("digits")


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"top": 1},
        {"top": 1, "with_default": True},
        {"top": 2, "with_default": True},
        {"top": 0},
        {"where": "value < 0.9", "top": 1},
        {"where": ["starred"], "sort": "seconds"},
        {"sort": "-value", "top": 3, "with_default": True},
    ],
)
@pytest.mark.parametrize("goal", [Objective("val_accuracy", "max"), FRONT])
def test_of_a_leaderboard_there_comes_what_is_shown(
    address: str, store: Store, goal: Aim, asked: dict[str, Any]
) -> None:
    row = write_study(store, objective=goal.to_json())
    here = Study(store, row).standings(**asked)
    there = ServiceClient(address).sweep("digits").standings(**asked)
    assert (there.text(), there._repr_html_(), there.best) == (here.text(), here._repr_html_(), here.best)
    assert there.frame.columns.tolist() == here.frame.columns.tolist()
    assert len(there.ranking.trials) == (1 if asked == {"top": 0} else len(here))


@pytest.mark.usefixtures("token")
def test_a_long_leaderboard_comes_in_pages(
    address: str, store: Store, study: StudyRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_sweep, "PAGE", 2)
    sweep = ServiceClient(address).sweep("digits")
    for top in (None, 0, 1, 2, 3, 4, 9):
        there, here = (
            sweep.standings(top=top, with_default=True),
            Study(store, study).standings(top=top, with_default=True),
        )
        assert there.text() == here.text(), top


@pytest.mark.slow
@pytest.mark.usefixtures("token")
def test_a_replay_there_that_fails_says_why_here(address: str, study: StudyRow) -> None:
    sweep = ServiceClient(address).sweep("digits")
    with pytest.raises(ExecutionError, match=r"This study's recipe was written by value \(nowhere\)"):
        sweep.replay(2)
    with pytest.raises(ConflictError, match="Trial 3 of digits cannot be trained again"):
        sweep.replay(3)


@pytest.mark.usefixtures("token")
def test_a_sweep_is_drawn_and_reported_as_a_study_is(address: str, study: StudyRow, tmp_path: Path) -> None:
    sweep = ServiceClient(address).sweep("digits")
    values = [tuple(one.y) for one in sweep.plot("history").data]
    assert (0.6, 0.4, 0.9) in values
    assert (
        sweep.plot("curves", to=tmp_path / "curves.png", metrics=["val_loss"], theme="dark") == tmp_path / "curves.png"
    )
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    sweep.plot("slice", to=tmp_path / "slice.json", dimensions=["learning_rate"])
    assert set(json.loads((tmp_path / "slice.json").read_text())) == {"data", "layout"}
    page = sweep.plot("history", to=str(tmp_path / "history.html")).read_text(encoding="utf-8")
    assert "plotly.js v" in page
    assert "digits" in sweep.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert sweep.report_facts()["best_trial"]["trial"] == 2
    with pytest.raises(SettingError, match="No format of a service's plot is called 'svg'. Did you mean|Known: html"):
        sweep.plot("history", to=tmp_path / "history.svg")
    with pytest.raises(SettingError, match="kind"):
        sweep.plot("histori")


def test_errors_are_those_of_a_study(address: str, token: str, app: FastAPI) -> None:
    service = ServiceClient(address)
    with pytest.raises(SettingError, match="No key is called 'serch'") as refused:
        service.submit("version: 1\ntask: image-classification\ndata: x\nserch: 1\nspaces: 2\n")
    assert len(refused.value.problems) == 2
    with pytest.raises(AccessError, match="No token is like this one"):
        ServiceClient(address, token="gf_other").sweeps()
    with pytest.raises(ClusterError, match="No service answers at service\\+http://127.0.0.1:9"):
        ServiceClient("service+http://127.0.0.1:9").sweeps()
    with pytest.raises(SettingError, match="A service is at an address such as service\\+http://host:8000"):
        ServiceClient("http://127.0.0.1:9")


def test_the_command_line_speaks_to_a_service(run: Run, address: str, token: str, app: FastAPI, tmp_path: Path) -> None:
    (app.state.service.settings.data / "flowers").mkdir()
    file = tmp_path / "flowers.yaml"
    file.write_text("version: 1\nname: flowers\ntask: image-classification\ndata: flowers\n")
    made = run("sweep", "submit", file, "search.trials=3", "--cluster", address)
    assert (made.exit_code, made.stdout) == (0, f"sweep    flowers\ncluster  {address}\n"), made.stderr
    assert "flowers  queued" in run("sweep", "list", "--store", address).stdout
    assert "queued" in run("sweep", "show", "flowers", "--store", address).stdout
    assert run("sweep", "wait", "flowers", "--timeout", "1s", "--store", address).exit_code == 130
    stopped = run("sweep", "stop", "flowers", "--store", address)
    assert stopped.stderr == "It did not run yet, and will not begin.\n"
    assert run("sweep", "wait", "flowers", "--store", address).stdout == "flowers is stopped.\n"
    assert run("sweep", "retry", "flowers", "--store", address).exit_code == 0
    assert run("sweep", "delete", "flowers", "--yes", "--store", address).stdout == "flowers is gone.\n"
    assert run("sweep", "show", "flowers", "--store", address).exit_code == 5


def images(folder: Path) -> Path:
    write_images(folder / "tulips")
    return folder / "tulips"


@pytest.mark.usefixtures("token")
def test_a_task_is_fitted_by_a_service_and_its_data_travels_once(address: str, app: FastAPI, tmp_path: Path) -> None:
    classifier = autotask("image-classification", images(tmp_path), seed=3)
    classifier.model.narrow({"batch_size": 64})
    for name in ("one", "two"):
        classifier.fit(trials=2, name=name, cluster=address, resources=Resources(cpu=2), wait=False)
        assert classifier.study.state == "queued"
    (first, second), service = submissions.listed(app.state.service.store), app.state.service
    (kept,) = service.settings.data.iterdir()
    assert kept.name.startswith("tulips-")
    assert first.spec == {
        "version": 1,
        "task": "image-classification",
        "data": str(kept),
        "name": "one",
        "options": {"on_bad_rows": "raise"},
        "search": {
            "trials": 2, "sampler": "auto", "scheduler": "asha", "keep": 5, "repeats": 1, "warm_start": True, "seed": 3
        },
        "space": {"batch_size": 64},
        "resources": {"cpu": 2, "workers": 1},
    }  # fmt: skip
    assert second.spec["data"] == first.spec["data"]
    assert "Ask again" not in classifier.study.stop()


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("name", "sent"), [("größe.neu.csv", r"gr--e-\w{10}\.neu\.csv"), ("a.csv.gz", r"a-\w{10}\.csv\.gz")]
)
def test_data_of_any_name_is_sent_under_a_plain_one(address: str, tmp_path: Path, name: str, sent: str) -> None:
    text = b"text,label\na,b\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    client = ServiceClient(address)
    (placed_as,) = {placed(client, tmp_path / name) for _ in range(2)}
    assert re.fullmatch(sent, placed_as)
    assert placed_as in client.datasets()


def test_what_a_service_cannot_run_says_what_to_do_instead(address: str, token: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="takes no code: .*--allow-recipe package.module:function"):
        AutoModel.from_function(lambda config, report: None, {}, Objective("loss", "min")).fit(cluster=address)
    classifier = autotask("image-classification", images(tmp_path))
    with pytest.raises(SettingError, match="store is for sweeps that run without a service"):
        classifier.fit(cluster=address, store="here.db")
    with pytest.raises(SettingError, match="leave cluster out"):
        ServiceSweep(ServiceClient(address), "x").retry(cluster="http://head:8265")


@pytest.mark.slow
def test_a_fit_by_a_service_ends_with_a_model_here(begin: Begin, run: Run, tmp_path: Path) -> None:
    data = images(tmp_path)
    (tmp_path / "there").mkdir()
    process = begin("serve", "--port", 0, "--cluster", "inline", cwd=tmp_path / "there")
    here, token = started(process)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADFLEET_TOKEN", token)
        options = ("--trials", 2, "--epochs", 1, "--name", "tulips", "--cluster", f"service+{here}")
        fitted = run("fit", "image-classification", data, *options)
        assert fitted.exit_code == 0, fitted.output
        assert "state   completed" in fitted.stdout
        sweep = ServiceClient(f"service+{here}").sweep("tulips")
        found, model = sorted(data.rglob("*.png")), sweep.best.model()
        asked = sweep.predict([base64.b64encode(one.read_bytes()).decode() for one in found])
        assert model.predict(found) == asked
        missed = run("fit", "image-classification", data, *options, "--target", 1.1)
        assert missed.exit_code == 2  # the same name with another spec
