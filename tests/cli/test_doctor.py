"""`gradfleet doctor`: what it looks at, and that it leaves nothing."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from tests.cli.conftest import Run, listing


def test_it_names_versions_machine_and_store_and_leaves_nothing(run: Run, here: Path) -> None:
    result = run("doctor", "--no-ray")
    assert result.exit_code == 0
    found = {line.split()[0]: line.split(maxsplit=1)[1] for line in result.stdout.splitlines()}
    assert list(found) == ["python", "gradfleet", "torch", "ray", "optuna", "cores", "memory", "gpu", "store"]
    assert found["optuna"] == version("optuna")
    assert found["store"] == f"{here / 'gradfleet.db'} can be made"
    assert listing(here) == []


def test_a_store_that_is_there_is_opened(run: Run, done: Path) -> None:
    checks = json.loads(run("doctor", "--no-ray", "--store", done / "gradfleet.db", "--json").stdout)["checks"]
    assert checks["store"]["ok"]
    assert checks["store"]["found"] == f"sqlite:///{done / 'gradfleet.db'}, studies: 1"


def test_a_store_out_of_reach_ends_with_3_and_says_why(run: Run, here: Path) -> None:
    result = run("doctor", "--no-ray", "--store", "nowhere/sweeps.db", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 3
    assert not found["ok"]
    assert f"the folder {here / 'nowhere'} does not exist" in found["checks"]["store"]["found"]
