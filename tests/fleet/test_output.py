"""What a trial prints, wherever it runs, is its study's to show."""
# ruff: noqa: T201

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gradfleet import AutoModel, Float, Objective, Resources
from gradfleet.cli.main import app
from gradfleet.errors import NotFoundError


def train(config: dict[str, Any], report: Any) -> None:
    print(f"rank {os.environ.get('RANK', 'alone')} begins")
    report({"score": config["x"]}, epoch=1)
    print("and ends")


def searched(folder: Path, *, cluster: str | None, resources: Resources | None = None) -> Any:
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    return model.fit(
        trials=2,
        epochs=1,
        scheduler="none",
        cluster=cluster,
        resources=resources,
        name="talks",
        store=folder / "gradfleet.db",
        progress=True,
        warm_start=False,
    )


def test_a_trial_of_this_process_is_told_from_the_sweep(tmp_path: Path) -> None:
    study = searched(tmp_path, cluster="inline")
    assert [study.logs(number) for number in range(2)] == ["rank alone begins\nand ends\n"] * 2
    with pytest.raises(NotFoundError, match="The study has no trial 2; it has 2, from 0"):
        study.logs(2)
    places = ["--store", str(tmp_path / "gradfleet.db")]
    shown = CliRunner().invoke(app, ["sweep", "logs", "talks", "--trial", "1", *places])
    assert (shown.exit_code, shown.stdout) == (0, "rank alone begins\nand ends\n")
    study.delete()
    assert not (tmp_path / "gradfleet-artifacts" / "talks").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_worker_and_the_first_of_several_keep_what_they_say(two_cores: None, tmp_path: Path) -> None:
    for resources, rank in ((Resources(), "alone"), (Resources(workers=2), "0")):
        folder = tmp_path / rank
        folder.mkdir()
        study = searched(folder, cluster=None, resources=resources)
        assert [study.logs(number) for number in range(2)] == [f"rank {rank} begins\nand ends\n"] * 2
