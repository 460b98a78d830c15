"""`gradfleet render slurm`: a script that Slurm takes, and that runs the sweep over the job's nodes."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.study.study import Study
from gradfleet.sweeps.slurm import SlurmJob
from tests.cli.conftest import Run
from tests.sweeps import slurm_cluster

RECIPE = """\
import time
from gradfleet import AutoModel, Float, Objective

def train(config, report):
    for _ in range(2):
        time.sleep(0.2)
        report({"score": 1 - (config["x"] - 0.3) ** 2})

def parabola():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
"""
SWEEP = "version: 1\nname: on-slurm\nrecipe: slurm_recipes:parabola\nsearch: {trials: 500, epochs: 2}\n"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if why := slurm_cluster.missing():
        pytest.skip(why)
    with slurm_cluster.slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def script(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rendered script, in a folder with its sweep file and recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slurm_recipes.py").write_text(RECIPE)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    setup = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
    rendered = run("render", "slurm", "sweep.yaml", "--cpus", 2, "--setup", setup)
    assert rendered.exit_code == 0, rendered.stderr
    path = tmp_path / "sweep.sh"
    path.write_text(rendered.stdout)
    return path


@pytest.mark.row("DI6")
@pytest.mark.slow
def test_slurm_accepts_the_script(slurm: dict[str, str], script: Path) -> None:
    tested = subprocess.run(["sbatch", "--test-only", script], env=slurm, capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    assert "to start at" in tested.stderr


@pytest.mark.row("DI6")
@pytest.mark.slow
def test_slurm_refuses_a_script_that_asks_for_more_than_there_is(slurm: dict[str, str], script: Path) -> None:
    script.write_text(script.read_text().replace("--nodes=1", "--nodes=2"))
    tested = subprocess.run(["sbatch", "--test-only", script], env=slurm, capture_output=True, text=True)
    assert tested.returncode != 0


@pytest.mark.ray
@pytest.mark.long
def test_a_job_runs_the_sweep_and_ends_it_in_order_when_its_time_is_nearly_up(
    slurm: dict[str, str], script: Path, tmp_path: Path
) -> None:
    job = subprocess.run(["sbatch", "--parsable", script], env=slurm, capture_output=True, text=True).stdout.strip()
    try:
        _wait_until(lambda: _complete(tmp_path) >= 3, tmp_path)
        subprocess.run(["scancel", "--signal=INT", "--batch", job], env=slurm, check=True)
        _wait_until(lambda: Study.attach("on-slurm").state == "stopped", tmp_path)
        assert {trial.state for trial in Study.attach("on-slurm").trials} <= {"COMPLETE", "PRUNED"}
    finally:
        subprocess.run(["scancel", job], env=slurm)
        _wait_until(lambda: _queue(slurm) == "", tmp_path)


def test_the_job_asks_for_what_was_said() -> None:
    job = SlurmJob(nodes=4, cpus=16, gpus=2, time="1-12", partition="gpu", account="lab")
    script = job.script(["gradfleet", "sweep", "run", "my sweep.yaml"], name="my sweep")
    for option in ("nodes=4", "cpus-per-task=16", "gpus-per-node=2", "time=1-12", "partition=gpu", "account=lab"):
        assert f"#SBATCH --{option}\n" in script
    assert "#SBATCH --job-name=my-sweep\n" in script
    assert "gradfleet sweep run 'my sweep.yaml' cluster=auto --resume &" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_the_setup_may_read_variables_that_are_not_set_and_ends_the_job_when_it_fails() -> None:
    (read, failed) = (_beginning('echo "[$NEVER_SET]"'), _beginning("false"))
    assert (read.returncode, read.stderr) == (0, "")
    value, options = read.stdout.splitlines()
    assert (value, {"e", "u"} <= set(options)) == ("[]", True)
    assert (failed.returncode, failed.stdout) == (1, "")


def _beginning(setup: str) -> subprocess.CompletedProcess[str]:
    """What the script does until its setup is done, and the options of its shell then."""
    script = SlurmJob(setup=(setup,)).script(["gradfleet", "sweep", "run", "a.yaml"], name="a")
    beginning, mark, _ = script.partition("export RAY_AUTH_MODE")
    assert mark
    return subprocess.run(["bash"], input=f"{beginning}echo $-\n", capture_output=True, text=True)


def test_a_sweep_without_a_name_gets_one_so_that_a_job_that_is_queued_again_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "nameless_recipes.py").write_text(RECIPE)
    (tmp_path / "tulips.yaml").write_text("version: 1\nrecipe: nameless_recipes:parabola\n")
    assert "gradfleet sweep run tulips.yaml name=tulips cluster=auto" in run("render", "slurm", "tulips.yaml").stdout


def test_what_slurm_would_refuse_is_refused_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        SlurmJob(nodes=0, cpus=0, gpus=-1, time="soon", partition="two words")
    assert [problem.split()[0] for problem in caught.value.problems] == ["nodes", "cpus", "gpus", "time", "partition"]
    assert "time is minutes, hours:minutes:seconds or days-hours, got 'soon'." in caught.value.problems


def _complete(folder: Path) -> int:
    try:
        return sum(
            trial.state == "COMPLETE" for trial in Study.attach("on-slurm", store=folder / "gradfleet.db").trials
        )
    except NotFoundError:
        return 0


def _queue(environment: dict[str, str]) -> str:
    return subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True, text=True).stdout.strip()


def _wait_until(ready: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + 180
    while not ready():
        logs = {path.name: path.read_text()[-2000:] for path in folder.glob("*.log")}
        assert time.monotonic() < deadline, logs
        time.sleep(0.5)
