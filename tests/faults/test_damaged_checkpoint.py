"""A checkpoint that was cut short: its trial goes on from the one before, and says so."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from gradfleet.errors import NoSpaceError
from gradfleet.trials.checkpoints import is_whole, write
from tests.faults.conftest import search

SCORES = (0.9, 0.5, 0.7)


def save(folder: Path) -> None:
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "weights.bin").write_bytes(b"0" * 1000)
    (folder / "epoch").write_text("1")


def damage(place: Path, how: str) -> None:
    weights = place / "parts" / "weights.bin"
    if how == "cut short":
        weights.write_bytes(b"0" * 999)
    elif how == "a file is gone":
        weights.unlink()
    elif how == "its list is cut short":
        (place / ".files.json").write_text('{"epo')
    else:
        place.rename(place.with_name("elsewhere"))


@pytest.mark.parametrize("how", ["cut short", "a file is gone", "its list is cut short", "it is gone"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_damage_is_seen(tmp_path: Path, how: str, scheme: str) -> None:
    address = write(f"{scheme}{tmp_path}/epoch-0001", save)
    assert is_whole(address)
    damage(tmp_path / "epoch-0001", how)
    assert not is_whole(address)


def test_a_folder_without_a_list_is_taken_for_whole(tmp_path: Path) -> None:
    save(tmp_path / "epoch-0001")
    assert is_whole(str(tmp_path / "epoch-0001"))


class Driven:
    """A training function whose disk is full in the third epoch while `full`; it notes what each start goes on from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began: list[int] = []
        self.full = True

    def __call__(self, config: dict[str, Any], report: Any) -> None:
        resumed = report.resume()
        done = 0 if resumed is None else int((resumed / "epoch").read_text())
        self.began.append(done)
        for epoch in range(done + 1, 4):
            if epoch == 3 and self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            place = self.folder / "checkpoint"
            place.mkdir(exist_ok=True)
            (place / "epoch").write_text(str(epoch))
            report({"score": SCORES[epoch - 1]}, checkpoint=place)


@pytest.fixture
def broken_off(tmp_path: Path) -> Driven:
    """After a sweep that ended with the trial's second epoch: its best checkpoint is of the first, its last of that."""
    train = Driven(tmp_path)
    with pytest.raises(NoSpaceError):
        search(train, trials=1, store=tmp_path / "gradfleet.db")
    train.full = False
    return train


def cut(folder: Path, *epochs: int) -> None:
    for epoch in epochs:
        (folder / "gradfleet-artifacts" / "sweep" / "trial-0000" / f"epoch-{epoch:04d}" / "epoch").write_text("")


def test_a_trial_goes_on_from_the_checkpoint_before(
    broken_off: Driven, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(tmp_path, 2)
    study = search(broken_off, trials=1, store=tmp_path / "gradfleet.db", resume=True)
    assert broken_off.began == [0, 1]
    said = capsys.readouterr().err
    assert said.count("Trial 0 goes on from the one before: the checkpoint ") == 1
    assert "trial-0000/epoch-0002 is damaged." in said
    assert [(record.epoch, record["score"]) for record in study.history(0)] == list(enumerate(SCORES, start=1))
    assert (study.trials[0].state, study.best.epoch) == ("COMPLETE", 1)


def test_where_all_are_damaged_it_begins_anew_and_its_best_is_written_again(
    broken_off: Driven, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(tmp_path, 1, 2)
    study = search(broken_off, trials=1, store=tmp_path / "gradfleet.db", resume=True)
    assert broken_off.began == [0, 0]
    assert "Trial 0 begins anew: the checkpoint " in capsys.readouterr().err
    assert [(record.epoch, record["score"]) for record in study.history(0)] == list(enumerate(SCORES, start=1))
    assert study.best.checkpoint is not None
    assert is_whole(study.best.checkpoint)
