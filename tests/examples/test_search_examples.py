"""The examples of searches run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

from gradfleet import Study
from tests.examples.conftest import EXAMPLES, Run

PEERS = EXAMPLES.parent / "build" / "peers"


@pytest.mark.slow
def test_a_constrained_search_prints_its_front_from_accurate_to_small(run: Run) -> None:
    printed = run("constrained_search.py")
    points = [(float(one), int(two)) for one, two in re.findall(r"accuracy ([\d.]+), (\d+) parameters", printed)]
    assert points == sorted(points, reverse=True)
    assert len({size for _, size in points}) == len(points) > 1


@pytest.mark.slow
def test_a_resumed_search_has_the_trials_of_both_calls(run: Run) -> None:
    printed = run("resumed_search.py")
    assert re.findall(r"^(\d) trials", printed, flags=re.MULTILINE) == ["2", "4"]


@pytest.mark.slow
def test_two_networks_by_two_optimizers_are_searched(run: Run) -> None:
    network, optimizer, accuracy = re.findall(r"best: (\w+) with (\w+), ([\d.]+)", run("tuner_cnn.py"))[0]
    assert network in ("plain", "deep")
    assert optimizer in ("adam", "sgd")
    assert float(accuracy) > 0.9


@pytest.mark.slow
@pytest.mark.row_part("SE2")
def test_branches_in_branches_have_their_own_dimensions_only(run: Run) -> None:
    printed = run("conditional_space.py")
    configs = [literal_eval(found) for found in re.findall(r"({.*})$", printed, flags=re.MULTILINE)]
    assert len(configs) == 15
    for config in configs:
        curved, plain = config["kernel"] != "linear", not config.get("scaled", True)
        expected = {
            "C",
            "kernel",
            *(["scaled"] * curved),
            *(["gamma"] * plain),
            *(["degree"] * (config["kernel"] == "poly")),
        }
        assert set(config) == expected


@pytest.mark.slow
@pytest.mark.row_part("SE16")
def test_an_extended_search_keeps_its_trials_and_tries_what_is_new(run: Run) -> None:
    before, after = re.findall(r"widths \[(.*)\]", run("extended_search.py"))
    assert after.startswith(before)
    widths = [int(width) for width in after.split(", ")]
    assert max(widths[:4]) <= 32 < max(widths)


@pytest.mark.slow
def test_a_population_prints_where_each_of_its_trials_comes_from(run: Run) -> None:
    printed = run("population.py")
    assert len(re.findall(r"^trial \d+: anew", printed, flags=re.MULTILINE)) == 4
    origins = [tuple(map(int, found)) for found in re.findall(r"^trial (\d+): from trial (\d+)", printed, re.MULTILINE)]
    assert origins
    assert all(parent < number for number, parent in origins)


@pytest.mark.slow
@pytest.mark.row("SE18")
def test_an_ensemble_is_exported_and_says_how_good_it_is_beside_the_best_single_model(run: Run, tmp_path: Path) -> None:
    printed = run("ensemble.py")
    value, best = map(float, re.findall(r"accuracy ([\d.]+) on 240 validation rows; .* has ([\d.]+)\.", printed)[0])
    assert value >= best
    assert (tmp_path / "digits-ensemble" / "bundle.json").is_file()
    assert float(re.findall(r"^held out: ([\d.]+)", printed, flags=re.MULTILINE)[0]) > 0.85


@pytest.mark.row("RP4")
def test_the_reference_meets_the_number_that_it_documents(run: Run) -> None:
    documented = re.findall(r"^accuracy ([\d.]+) after", (EXAMPLES / "reference.py").read_text("utf-8"), re.MULTILINE)
    reached = re.findall(r"^accuracy ([\d.]+)$", run("reference.py"), flags=re.MULTILINE)
    assert float(reached[0]) == pytest.approx(float(documented[0]), abs=3 / 360), "of 360 rows three may differ"


@pytest.mark.slow
@pytest.mark.row("SE11")
@pytest.mark.filterwarnings("ignore")  # what the other trainers have to say
@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("plain_pytorch", "torch"),
        ("skorch_net", "skorch"),
        ("ignite_engine", "ignite"),
        ("lightning_module", "pytorch_lightning"),
    ],
)
def test_another_trainer_is_searched_by_a_function(name: str, package: str, run: Run, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install -e '.[trainers]'")
    assert_searched(run(f"trainers/{name}.py"), tmp_path)


@pytest.mark.slow
@pytest.mark.row_part("SE11")
def test_fastai_is_searched_by_a_function(tmp_path: Path) -> None:
    """From a folder of its own: what fastai asks for beside torch has no CPU build that goes with ours."""
    if not (PEERS / "fastai").is_dir():
        pytest.skip("fastai is not there: make peers")
    command = [sys.executable, str(EXAMPLES / "trainers" / "fastai_learner.py")]
    environment = {**os.environ, "PYTHONPATH": str(PEERS)}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment).stdout
    assert_searched(printed, tmp_path)


def assert_searched(printed: str, folder: Path) -> None:
    assert float(re.findall(r"^best: trial \d+, accuracy ([\d.]+)", printed, flags=re.MULTILINE)[0]) > 0.6
    study = Study.all(store=folder / "gradfleet.db")[0]
    assert len(study.trials) == 6
    assert {trial.state for trial in study.trials} <= {"COMPLETE", "PRUNED"}
    assert len({trial.epochs for trial in study.trials}) > 1, "some were stopped in the middle"
