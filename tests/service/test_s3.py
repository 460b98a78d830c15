"""A service whose sweeps keep their checkpoints in S3."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gradfleet.errors import NotFoundError
from gradfleet.study.study import Study
from gradfleet.trials.output import kept_output, read_output
from tests.service.running import Running, check_sweep, spec, write_recipe


@pytest.mark.slow
def test_a_sweep_keeps_its_checkpoints_in_a_bucket(tmp_path: Path, bucket: str) -> None:
    write_recipe(tmp_path, seconds=0.01)
    service = Running(tmp_path, "--cluster", "inline", "--artifacts", f"{bucket}/sweeps")
    try:
        service.ask("/v1/sweeps", spec("one", trials=2, seed=3))
        service.wait_for("one", "completed", seconds=120)
        check_sweep(service, "one", trials=2)
    finally:
        service.end()
    study = Study.attach("one", store=tmp_path / "gradfleet.db")
    checkpoint = study.best.checkpoint
    assert checkpoint is not None
    assert checkpoint.startswith(f"{bucket}/sweeps/one/trial-")
    assert Path(study.artifacts.fetch(checkpoint), "epoch.txt").read_text() == "3"
    study.delete()
    with pytest.raises(NotFoundError, match="Nothing is at s3://flowers/sweeps/one"):
        study.artifacts.fetch(f"{bucket}/sweeps/one")
    assert not (tmp_path / "gradfleet-artifacts").exists()


def test_what_a_trial_prints_is_kept_there_too(bucket: str) -> None:
    place = f"{bucket}/sweeps/one/logs/trial-0000.txt"
    for word in ("one", "two"):
        with kept_output(place, lambda record, checkpoint=None: None, goes_on=True):
            sys.stdout.write(f"{word}\n")
    assert read_output(place) == "one\ntwo\n"
    assert read_output(f"{bucket}/nothing.txt") == ""
