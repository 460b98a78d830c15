"""The flags and keys that say how a study is begun, gone on with, and what one trial of it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gradfleet.cli import exits
from gradfleet.search.samplers import SAMPLERS
from gradfleet.study.schedulers.names import SCHEDULERS
from gradfleet.study.study import Study
from tests.cli.conftest import Run

RECIPE = """\
from pathlib import Path
from gradfleet import AutoModel, Choice, Float, Objective

def train(config, report):
    if config["x"] == 0.5 and not Path("mended").exists():
        raise RuntimeError("the first trial is broken")
    report({"score": config["x"] + config.get("y", 0)})

def narrow():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))

def wide():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0), "y": Choice(0, 1)}, Objective("score", "max"))
"""

INLINE = ("cluster=inline", "--quiet")


@pytest.fixture
def recipes(here: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Two sweep files over a module of this test's own; its name."""
    monkeypatch.syspath_prepend(str(here))
    name = f"recipes_{abs(hash(request.node.nodeid))}"
    (here / f"{name}.py").write_text(RECIPE)
    for which in ("narrow", "wide"):
        text = f"version: 1\nname: growing\nrecipe: {name}:{which}\nsearch: {{trials: 3, seed: 1}}\n"
        (here / f"{which}.yaml").write_text(text)
    return name


def test_a_sweep_is_extended_by_a_flag_and_refused_without_it(run: Run, recipes: str) -> None:
    assert run("sweep", "run", "narrow.yaml", *INLINE).exit_code == exits.DONE
    refused = run("sweep", "run", "wide.yaml", "search.trials=6", "--resume", *INLINE)
    assert refused.exit_code == exits.USAGE
    assert "To search the new space from here on and keep the history, pass --extend." in refused.stderr
    grown = run("sweep", "run", "wide.yaml", "search.trials=6", "--extend", *INLINE)
    assert grown.exit_code == exits.DONE, grown.stderr
    configs = [trial.config for trial in Study.attach("growing").trials]
    assert [sorted(config) for config in configs] == [["x"]] * 3 + [["x", "y"]] * 3


def test_failed_trials_run_again_by_a_flag(run: Run, here: Path, recipes: str) -> None:
    assert run("sweep", "run", "narrow.yaml", *INLINE).exit_code == exits.DONE
    assert json.loads(run("sweep", "show", "growing", "--json").stdout)["failed"] == 1
    (here / "mended").touch()
    again = run("sweep", "run", "narrow.yaml", "--resume", *INLINE)
    assert json.loads(run("sweep", "show", "growing", "--json").stdout)["failed"] == 1, again.stderr
    assert run("sweep", "run", "narrow.yaml", "--resume", "--retry-failed", *INLINE).exit_code == exits.DONE
    shown = json.loads(run("sweep", "show", "growing", "--json").stdout)
    assert (shown["failed"], shown["trials"]) == (0, 3)


def test_a_sweep_starts_cold_by_a_key(run: Run, here: Path, recipes: str) -> None:
    (here / "mended").touch()
    for name, cold in (("first", False), ("warm", False), ("cold", True)):
        words = (f"name={name}", "search.trials=6", f"search.seed={len(name)}", *(["search.warm_start=false"] * cold))
        assert run("sweep", "run", "narrow.yaml", *words, *INLINE).exit_code == exits.DONE
    started = {name: Study.attach(name).spec["search"].get("warm_start") for name in ("first", "warm", "cold")}
    assert started["first"] == []
    assert [one["study"] for one in started["warm"]] == ["first"]
    assert started["cold"] is None


def test_a_trial_of_a_sweep_is_several_runs_by_a_key(run: Run, here: Path, recipes: str) -> None:
    (here / "mended").touch()
    assert run("sweep", "run", "narrow.yaml", "search.repeats=3", "search.trials=1", *INLINE).exit_code == exits.DONE
    assert Study.attach("growing").best.metrics["num_runs"] == 3


def test_a_fit_has_the_same_flags(run: Run, images: Path) -> None:
    options = ("--epochs", 1, "--cluster", "inline", "--quiet", "--keep", 1)
    runs = ("--repeats", 2, "--folds", 2, "--name", "runs")
    made = run("fit", "image-classification", images, "--trials", 1, *runs, *options)
    assert made.exit_code == exits.DONE, made.stderr
    assert Study.attach("runs").best.metrics["num_runs"] == 4
    cold = run("fit", "image-classification", images, "--trials", 1, "--no-warm-start", "--name", "cold", *options)
    assert cold.exit_code == exits.DONE, cold.stderr
    assert "warm_start" not in Study.attach("cold").spec["search"]
    more = ("--trials", 2, "--name", "cold", "--extend", "--retry-failed")
    grown = run("fit", "image-classification", images, *more, *options)
    assert grown.exit_code == exits.DONE, grown.stderr
    assert len(Study.attach("cold").trials) == 2
    nameless = run("fit", "image-classification", images, "--extend", *options)
    assert nameless.exit_code == exits.USAGE
    assert "--extend needs to know with which study: add its --name." in nameless.stderr


def test_the_help_names_every_sampler_and_scheduler(run: Run) -> None:
    text = re.sub(r"\s+", "", run("fit", "--help").stdout)
    assert set(re.search(r"--sampler([\w|]+?)How", text).group(1).split("|")) == set(SAMPLERS)  # type: ignore[union-attr]
    assert set(re.search(r"--scheduler([\w|]+?)Whether", text).group(1).split("|")) == set(SCHEDULERS)  # type: ignore[union-attr]
