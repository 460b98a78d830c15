"""`gradfleet sweep`: sweeps are listed, shown, waited for and steered from another process."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradfleet.errors import NotFoundError
from gradfleet.study.study import Study
from tests.cli.conftest import Begin, Run


def test_sweeps_are_listed_and_shown(run: Run, done: Path) -> None:
    store = ("--store", done / "gradfleet.db")
    listed = json.loads(run("sweep", "list", *store, "--json").stdout)["sweeps"]
    shown = json.loads(run("sweep", "show", "tiny", *store, "--json").stdout)
    assert listed == [shown]
    assert (shown["state"], shown["trials"], shown["running"], shown["failed"]) == ("completed", 2, 0, 0)
    assert shown["best"] == Study.attach("tiny", store=done / "gradfleet.db").best.value
    assert json.loads(run("sweep", "list", "--state", "running", *store, "--json").stdout) == {"sweeps": []}
    assert run("sweep", "list", *store).stdout.splitlines()[1].split()[:3] == ["tiny", "completed", "2"]
    assert "completed" in run("sweep", "show", "tiny", *store).stdout


def test_the_environment_goes_before_the_file_and_an_option_before_both(
    run: Run, done: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLEET_STORE", str(done / "gradfleet.db"))
    monkeypatch.setenv("GRADFLEET_CLUSTER", "auto")
    assert json.loads(run("sweep", "show", "tiny", "--json").stdout)["trials"] == 2
    (here / "sweep.yaml").write_text(
        f"version: 1\ntask: image-classification\ndata: {done / 'images'}\nstore: elsewhere.db\ncluster: inline\n"
    )
    read = json.loads(run("validate", "sweep.yaml", "--json").stdout)
    assert (read["store"], read["cluster"]) == (str(done / "gradfleet.db"), "auto")
    read = json.loads(run("validate", "sweep.yaml", "cluster=http://head:8265", "--json").stdout)
    assert read["cluster"] == "http://head:8265"
    ran = run("sweep", "run", "sweep.yaml", "cluster=inline", "--cluster", "inlin")
    assert "cluster=inlin: No cluster is called 'inlin'. Did you mean 'inline'?" in ran.stderr
    quick = ("search.trials=1", "search.epochs=1", "--quiet", "--json")
    places = ("--store", "c.db", "--artifacts", "kept", "--cluster", "inline")
    ran = json.loads(run("sweep", "run", "sweep.yaml", "store=b.db", *quick, *places).stdout)
    assert (ran["store"], ran["artifacts"]) == (f"sqlite:///{here}/c.db", str(here / "kept"))
    assert run("sweep", "show", "tiny", "--store", "nowhere.db").exit_code == 5


def test_a_sweep_that_has_ended_is_not_waited_for_and_cannot_be_steered(run: Run, done: Path) -> None:
    store = ("--store", done / "gradfleet.db")
    assert run("sweep", "wait", "tiny", *store).stdout == "tiny is completed.\n"
    watched = run("sweep", "watch", "tiny", *store)
    assert (watched.exit_code, watched.stdout) == (0, "tiny is completed.\n")
    assert re.fullmatch(
        r"tiny is completed: \d+ trials, 0 running, 0 failed, best val_accuracy [\d.]+\n", watched.stderr
    )
    refused = run("sweep", "pause", "tiny", *store)
    assert refused.exit_code == 2
    assert "Study 'tiny' is completed: there is no sweep to pause." in refused.stderr


def test_a_name_that_is_not_there_ends_with_5(run: Run, done: Path) -> None:
    for verb in ("show", "wait", "stop", "delete"):
        result = run("sweep", verb, "tinny", "--store", done / "gradfleet.db")
        assert result.exit_code == 5
        assert "No study is called 'tinny'. Did you mean 'tiny'?" in result.stderr


@pytest.mark.slow
def test_a_running_sweep_is_paused_resumed_and_cancelled_from_another_process(
    begin: Begin, run: Run, images: Path, here: Path
) -> None:
    endless = ("search.trials=500", "search.epochs=1", "search.scheduler=none", "cluster=inline")
    (here / "tiny.yaml").write_text("version: 1\nname: tiny\ntask: image-classification\ndata: images\n")
    process = begin("sweep", "run", "tiny.yaml", *endless, cwd=here)
    _wait_until(lambda: _count(here) > 0)
    assert "No new trials are started" in run("sweep", "pause", "tiny").stderr
    assert json.loads(run("sweep", "show", "tiny", "--json").stdout)["state"] == "paused"
    _wait_until(lambda: all(trial.state != "RUNNING" for trial in Study.attach("tiny").trials))
    paused = _count(here)
    over = run("sweep", "wait", "tiny", "--timeout", "1s")
    assert over.exit_code == 130
    assert "Study 'tiny' is still paused after 1 s." in over.stderr
    assert _count(here) == paused
    assert "New trials are started again." in run("sweep", "resume", "tiny").stderr
    _wait_until(lambda: _count(here) > paused)
    refused = run("sweep", "delete", "tiny", "--yes")
    assert refused.exit_code == 3
    assert "is held by process" in refused.stderr
    watching = begin("sweep", "watch", "tiny", cwd=here)
    assert watching.stderr is not None
    assert watching.stderr.readline().startswith("tiny is running: ")
    assert "The trials that run are ended" in run("sweep", "cancel", "tiny").stderr
    assert watching.communicate(timeout=60)[0] == f"tiny is {Study.attach('tiny').state}.\n"
    assert run("sweep", "wait", "tiny", "--timeout", "30s").exit_code == 0
    process.communicate(timeout=30)
    assert run("sweep", "delete", "tiny", "--yes").exit_code == 0
    assert json.loads(run("sweep", "list", "--json").stdout) == {"sweeps": []}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("run", "--resume"), "--resume"),
        (("run", "--extend"), "--extend"),
        (("submit", "--resume", "--cluster", "http://127.0.0.1:9"), "--resume"),
    ],
)
def test_a_sweep_without_a_name_cannot_be_gone_on_with(
    run: Run, images: Path, here: Path, words: tuple[str, ...], option: str
) -> None:
    verb, *options = words
    (here / "a.yaml").write_text("version: 1\ntask: image-classification\ndata: images\nsearch: {trials: 1}\n")
    refused = run("sweep", verb, "a.yaml", *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"{option} needs to know with which study: write its name in a.yaml, or add name=NAME." in refused.stderr
    assert not (here / "gradfleet.db").exists()


PRINTS = """\
from gradfleet import AutoModel, Float, Objective
print("imported")

def train(config, report):
    print("trained")
    report({"score": config["x"]})

def search():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
"""


@pytest.mark.row_part("UX2")
def test_what_the_users_code_prints_is_no_data(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(here))
    (here / "says_much.py").write_text(PRINTS)
    (here / "a.yaml").write_text("version: 1\nname: a\nrecipe: says_much:search\ncluster: inline\n")
    validated = run("validate", "a.yaml", "--json")
    assert (json.loads(validated.stdout)["name"], validated.stderr) == ("a", "imported\n")
    ran = run("sweep", "run", "a.yaml", "search.trials=1", "--json", "--quiet")
    assert (json.loads(ran.stdout)["state"], ran.stderr) == ("completed", "trained\n")
    again = run("replay", "a", "0", "--trust-recipe", "--json")
    assert (json.loads(again.stdout)["same"], "trained\n" in again.stderr) == (True, True)


NETWORK = """\
from torch import nn
from gradfleet import AutoModel, Float, Objective, Tuner

def linear(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_outputs))

def network():
    tuner = Tuner()
    tuner.architecture("linear", linear)
    tuner.optimizer("sgd", learning_rate=Float(1e-3, 1e-1, log=True))
    return AutoModel(tuner, objective=Objective("val_loss", "min")).compile(loss="cross_entropy")
"""


def test_what_is_advised_at_the_end_can_be_done(
    run: Run, here: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function's checkpoints are read by its author alone, and a recipe that was kept by value has to be trusted."""
    monkeypatch.syspath_prepend(str(here))
    (here / "advises.py").write_text(PRINTS + NETWORK)
    for name, more in (("search", ""), ("network", "data: images\n")):
        text = f"version: 1\nname: {name}\nrecipe: advises:{name}\ncluster: inline\n{more}"
        (here / f"{name}.yaml").write_text(text)
    ended = run("sweep", "run", "search.yaml", "search.trials=1", "--quiet")
    assert ended.stdout.endswith("\nNext:\n  gradfleet leaderboard search\n")
    ended = run("sweep", "run", "network.yaml", "search.trials=1", "search.epochs=1", "--quiet")
    assert "\n  gradfleet evaluate network --trust-recipe\n" in ended.stdout
    assert run("evaluate", "network", "--trust-recipe").exit_code == 0


def test_a_new_file_is_checked_before_it_is_written(run: Run, images: Path, here: Path) -> None:
    assert "say --task and --data, or --recipe" in run("init", "a.yaml").stderr
    wrong = run("init", "a.yaml", "--task", "image-classification", "--data", "nowhere")
    assert "--data: There is no folder" in wrong.stderr
    assert not (here / "a.yaml").exists()
    made = run("init", "a.yaml", "--task", "image-classification", "--data", "images")
    assert made.exit_code == 0
    assert json.loads((here / "sweep.schema.json").read_text())["title"] == "A gradfleet sweep"
    assert "a.yaml is there already" in run("init", "a.yaml", "--task", "x", "--data", "y").stderr
    shown = json.loads(run("validate", "a.yaml", "space.batch_size=32", "--json").stdout)
    assert (shown["name"], shown["space"]) == ("a", {"batch_size": 32})


def _count(here: Path) -> int:
    try:
        return len(Study.attach("tiny", store=here / "gradfleet.db").trials)
    except NotFoundError:
        return 0


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)
