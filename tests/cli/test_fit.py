"""`gradfleet fit`: what it prints where, what it leaves, and the code it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradfleet.study.study import Study
from tests.cli.conftest import Begin, Run

INLINE = ("--cluster", "inline", "--epochs", 1)


@pytest.fixture
def fit(run: Run, images: Path) -> Run:
    """A fit of `images/` in the working folder, inline and of one epoch a trial."""
    return lambda *arguments: run("fit", "image-classification", "images", *INLINE, *arguments)


def test_it_prints_study_best_places_and_the_next_commands_on_stdout(fit: Run, here: Path) -> None:
    result = fit("--trials", 2, "--name", "tiny")
    assert result.exit_code == 0
    best = Study.attach("tiny").best
    assert f"best trial  {best.number}, val_accuracy {best.value:.4f} after epoch 1" in _one_space(result.stdout)
    assert f"architecture  {best.config['architecture']}" in _one_space(result.stdout)
    assert f"store  sqlite:///{here / 'gradfleet.db'}" in _one_space(result.stdout)
    assert f"checkpoint  {here / 'gradfleet-artifacts' / 'tiny'}" in _one_space(result.stdout)
    assert "  gradfleet leaderboard tiny\n  gradfleet evaluate tiny\n  gradfleet predict tiny FILE..." in result.stdout


def test_the_next_commands_name_the_store_that_was_given(fit: Run) -> None:
    result = fit("--trials", 1, "--name", "tiny", "--store", "other.db")
    assert "  gradfleet evaluate tiny --store other.db\n" in result.stdout


def test_progress_goes_to_stderr(fit: Run) -> None:
    result = fit("--trials", 1, "--name", "tiny")
    assert "Study 'tiny' in sqlite:///" in result.stderr
    assert "1 of 1 trials" in result.stderr
    assert "1 of 1 trials" not in result.stdout


def test_quiet_prints_no_progress(fit: Run) -> None:
    assert fit("--trials", 1, "--quiet").stderr == ""


def test_json_is_one_object_and_all_of_stdout(fit: Run, here: Path) -> None:
    result = fit("--trials", 2, "--name", "tiny", "--json")
    found = json.loads(result.stdout)
    study = Study.attach("tiny")
    assert (found["study"], found["state"], found["trials"]) == ("tiny", "completed", 2)
    assert found["store"] == f"sqlite:///{here / 'gradfleet.db'}"
    assert found["artifacts"] == str(here / "gradfleet-artifacts")
    assert found["best"]["trial"] == study.best.number
    assert found["best"]["value"] == study.best.value
    assert found["best"]["config"] == study.best.config
    assert Path(found["best"]["checkpoint"]).is_dir()


def test_a_study_without_a_name_is_given_one_that_is_printed(fit: Run) -> None:
    name = json.loads(fit("--trials", 1, "--json").stdout)["study"]
    assert name.startswith("image-classification-")
    assert Study.attach(name).state == "completed"


def test_resume_goes_on_with_the_study_of_that_name(fit: Run) -> None:
    assert fit("--trials", 1, "--name", "tiny", "--resume").exit_code == 0
    result = fit("--trials", 3, "--name", "tiny", "--resume")
    assert result.exit_code == 0
    assert "completed, 3 trials" in result.stdout


def test_artifacts_go_where_they_are_told_to(fit: Run, here: Path) -> None:
    result = fit("--trials", 1, "--name", "tiny", "--artifacts", "elsewhere", "--json")
    assert json.loads(result.stdout)["artifacts"] == str(here / "elsewhere")
    assert (here / "elsewhere" / "tiny" / "trial-0000").is_dir()


def test_a_target_that_was_reached_ends_with_0(fit: Run) -> None:
    result = fit("--trials", 5, "--target", 0.1, "--name", "tiny")
    assert result.exit_code == 0
    assert len(Study.attach("tiny").trials) == 1


def test_a_target_that_was_missed_ends_with_6_and_the_best_model(fit: Run) -> None:
    result = fit("--trials", 1, "--target", 1.1, "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["best"]["trial"] == 0


def test_a_budget_of_no_time_still_ends_with_a_model(fit: Run) -> None:
    result = fit("--budget", "0.01s", "--name", "tiny")
    assert result.exit_code == 0
    assert Study.attach("tiny").best.number == 0


@pytest.mark.slow
def test_a_real_process_keeps_the_streams_apart(begin: Begin, images: Path, here: Path) -> None:
    process = begin(
        "fit", "image-classification", "images", *INLINE, "--trials", 1, "--name", "tiny", "--json", cwd=here
    )
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["study"] == "tiny"
    assert "Best: trial 0" in stderr


def _one_space(text: str) -> str:
    """The aligned columns with two blanks between them."""
    lines = (line.split("  ", 1) for line in text.replace("\n  ", "\n").splitlines())
    return "\n".join("  ".join(part.strip() for part in line) for line in lines)
