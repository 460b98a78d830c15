"""The verbs of the command line say of a sweep of a service what they say of the study in its store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet import Bundle
from gradfleet.errors import ClusterError, NoUsableTrialError
from gradfleet.fleet import service_client
from gradfleet.fleet.service_client import ServiceClient
from gradfleet.goal import aim
from gradfleet.objective import Objective
from gradfleet.service import tokens
from gradfleet.service.settings import ServiceSettings
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from tests.cli.conftest import Run
from tests.service.conftest import SPACE, listening, write_study

Both = Callable[..., str]

EMPTY = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}


@pytest.fixture
def both(run: Run, settings: ServiceSettings, address: str, token: str) -> Both:
    """Runs a command on the store and on the service over it: output and exit code are the same. What it has said."""
    return lambda *arguments, code=0: same(run, settings.store, address, *arguments, code=code)


def same(run: Run, store: str, address: str, *arguments: object, code: int = 0) -> str:
    here, there = (run(*arguments, "--store", place) for place in (store, address))
    assert (there.stdout, there.stderr, there.exit_code) == (here.stdout, here.stderr, here.exit_code)
    assert here.exit_code == code, here.output
    return str(here.output)


@pytest.mark.parametrize(
    "command",
    [
        ("best", "digits"),
        ("best", "digits", "--json"),
        ("leaderboard", "digits"),
        ("leaderboard", "digits", "--json"),
        ("leaderboard", "digits", "--top", 1, "--json"),
        ("leaderboard", "digits", "--where", "value < 0.9", "--sort=-value"),
        ("report", "digits", "--top", 2, "--json"),
    ],
)
def test_what_is_found_is_told_alike(both: Both, study: StudyRow, command: tuple[object, ...]) -> None:
    assert "digits" in both(*command) or command[0] == "leaderboard"


def test_a_goal_with_constraints_is_told_alike(both: Both, store: Store) -> None:
    goal = aim([Objective("val_accuracy", "max"), Objective("val_loss", "min")], ["val_loss >= 0.35"])
    write_study(store, objective=goal.to_json())
    assert json.loads(both("leaderboard", "digits", "--json"))["objective"] == goal.to_json()
    assert "front" in both("leaderboard", "digits")
    both("leaderboard", "digits", "--where", "feasible = true")


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_stars_and_notes_are_written_there(both: Both, store: Store, study: StudyRow, json: tuple[str, ...]) -> None:
    both("star", "digits", 1, *json)
    both("note", "digits", 1, " slow ", *json)
    found = Study(store, study).trial(1)
    assert (found.starred, found.note) == (True, "slow")
    both("star", "digits", 1, "--off", *json)
    both("note", "digits", 1, "", *json)
    found = Study(store, study).trial(1)
    assert (found.starred, found.note) == (False, None)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("best", "digts"), 5),
        (("star", "digits", 9), 5),
        (("note", "digits", 9, "slow"), 5),
        (("predict", "digits", "x", "--trial", 9), 5),
        (("best", "empty"), 1),
        (("plot", "empty", "history"), 1),
        (("leaderboard", "digits", "--where", "valu > 1", "--sort", "secnds"), 2),
    ],
)
def test_errors_are_told_alike(
    both: Both, store: Store, study: StudyRow, command: tuple[object, ...], code: int
) -> None:
    store.create_study("empty", EMPTY)
    assert both(*command, code=code).startswith("Error: ")


@pytest.mark.usefixtures("study", "token")
def test_an_error_has_the_class_that_it_has_there(address: str, store: Store, reader: TestClient) -> None:
    store.create_study("empty", EMPTY)
    with pytest.raises(NoUsableTrialError, match="No trial of study 'empty' has begun yet"):
        assert ServiceClient(address).sweep("empty").best
    assert reader.get("/v1/sweeps/empty/best").json()["type"] == "urn:gradfleet:NoUsableTrialError"


def test_the_frame_of_a_leaderboard_is_that_of_the_study(address: str, token: str, store: Store) -> None:
    goal = aim(Objective("val_accuracy", "max"), ["val_loss >= 0.35"])
    study = write_study(store, objective=goal.to_json())
    there, here = ServiceClient(address).sweep("digits").leaderboard(), Study(store, study).leaderboard()
    assert there.columns.tolist() == here.columns.tolist()
    assert "feasible" in there
    assert there.to_json() == here.to_json()


def test_a_long_leaderboard_comes_in_pages(both: Both, study: StudyRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradfleet.fleet.service_sweep.PAGE", 3)
    assert [one["trial"] for one in json.loads(both("leaderboard", "digits", "--json"))["trials"]] == [2, 0, 1, 3]


def test_a_plot_and_a_report_are_drawn_there_into_files_here(both: Both, study: StudyRow, tmp_path: Path) -> None:
    both("plot", "digits", "history", "--to", tmp_path / "history.png", "--theme", "dark")
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    both("plot", "digits", "curves", "--metric", "val_loss", "--to", tmp_path / "curves.html", "--json")
    both("report", "digits", "--to", tmp_path / "page.html", "--top", 1)
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("study", "token")
def test_what_no_service_does_says_what_to_do_instead(run: Run, address: str) -> None:
    said = {
        ("ensemble", "digits"): "Run `gradfleet ensemble` where its store",
        ("evaluate", "digits"): "Take the model along with `gradfleet export NAME FOLDER`",
        ("best", "digits", "--trust-recipe"): "No such option",
        ("replay", "digits", 0, "--trust-recipe"): "leave --trust-recipe out",
        ("plot", "digits", "history", "--to", "x.svg"): "No format of a service's plot is called 'svg'",
    }
    for command, words in said.items():
        refused = run(*command, "--store", address)
        assert (refused.exit_code, refused.stdout, words in refused.stderr) == (2, "", True), refused.stderr


def test_who_may_not_and_what_is_away_end_with_codes_of_their_own(
    run: Run, address: str, app: FastAPI, study: StudyRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLEET_STORE", address)
    assert run("best", "digits").exit_code == 4
    monkeypatch.setenv("GRADFLEET_TOKEN", tokens.create(app.state.service.store, "looks", scope="read"))
    assert run("best", "digits").exit_code == 0
    assert run("star", "digits", 1).exit_code == 4
    assert run("best", "digits", "--store", "service+http://127.0.0.1:9").exit_code == 3


@pytest.fixture
def there(served: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the service whose trials have models."""
    text = tokens.create(served.state.service.store, "alice", scope="admin")
    monkeypatch.setenv("GRADFLEET_TOKEN", text)
    with listening(served) as found:
        yield found
    tokens.revoke(served.state.service.store, "alice")


@pytest.mark.parametrize("options", [(), ("--proba",), ("--json", "--trial", 0), ("--proba", "--json")])
def test_images_are_predicted_there_as_here(run: Run, there: str, done: Path, options: tuple[object, ...]) -> None:
    files = sorted((done / "images").rglob("*.png"))
    said = same(run, str(done / "gradfleet.db"), there, "predict", "tiny", *files, *options)
    assert str(files[-1]) in said


def test_a_file_that_is_not_there_is_named(run: Run, there: str) -> None:
    refused = run("predict", "tiny", "nowhere.png", "--store", there)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "nowhere.png cannot be read as an image: No such file" in refused.stderr


def test_many_items_are_sent_in_parts(there: str, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = ServiceClient(there).sweep("tiny").best
    files = [str(one) for one in sorted((done / "images").rglob("*.png"))]
    whole = trial.predictions(files)
    monkeypatch.setattr("gradfleet.fleet.service_sweep._MOST_SENT", 500)
    assert trial.predictions(files) == whole
    monkeypatch.setattr("gradfleet.fleet.service_sweep._MOST_ITEMS", 1)
    assert trial.predictions(files) == whole


@pytest.mark.slow
def test_a_model_is_exported_there_and_lies_here(
    run: Run, there: str, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    taken = same(run, str(done / "gradfleet.db"), there, "export", "tiny", tmp_path / "taken", code=2)
    assert "an export replaces nothing" in taken
    said = {}
    for place in (str(done / "gradfleet.db"), there):
        folder = tmp_path / f"model-{len(said)}"
        made = run("export", "tiny", folder, "--json", "--store", place)
        assert made.exit_code == 0, made.output
        said[place] = {**json.loads(made.stdout), "path": ""}
        assert Bundle.load(folder).labels == ("dark", "light")
    here, elsewhere = said.values()
    assert here == elsewhere
    assert here["score"]["metric"] == "accuracy"
    unchecked = run("export", "tiny", tmp_path / "unchecked", "--no-check", "--store", there)
    assert unchecked.stdout == f"bundle in {tmp_path / 'unchecked'}, not checked\n"
    trial = ServiceClient(there).sweep("tiny").trial(0)
    monkeypatch.setattr(service_client, "_ANSWERS_WITHIN", 0.001)
    with pytest.raises(ClusterError, match="timed out"):
        trial.sweep.facts()
    assert trial.export(tmp_path / "patient", check=False).path == tmp_path / "patient"


@pytest.mark.slow
def test_a_trial_is_trained_again_there(run: Run, there: str, done: Path) -> None:
    trial = Study.attach("tiny", store=done / "gradfleet.db").trial(0)
    value = trial.value
    shown = run("replay", "tiny", 0, "--store", there)
    assert shown.exit_code == 0, shown.output
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in shown.stdout.splitlines())
    assert lines == {
        "trial": "0",
        "val_accuracy": f"{value:.10g} after epoch 1",
        "recorded": f"{value:.10g}, the same",
    }
    assert shown.stderr == f"epoch 1: val_accuracy {value:.4f}\n"
    found = json.loads(run("replay", "tiny", 0, "--json", "--store", there).stdout)
    assert (found["value"], found["recorded"], found["same"], found["epoch"]) == (value, value, True, 1)
    assert found["metrics"]["val_loss"] == trial.metrics["val_loss"]
