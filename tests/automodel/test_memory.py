"""A sweep on a device that is too small for its batches."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gradfleet import AutoModel, Choice, Float, Study, Tuner

ROOM = 10


class Tight(nn.Module):
    """In training it has memory for so many rows at once."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and len(inputs) > ROOM:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        outputs: torch.Tensor = self.inner(inputs)
        return outputs


def search(folder: Path, *, trials: int, resume: bool = False) -> tuple[Study, list[str]]:
    """The study, and what was said of memory on the way."""
    tuner = Tuner()
    tuner.architecture("tight", Tight, width=Choice(8))
    tuner.add("learning_rate", Float(1e-3, 1e-1, log=True))
    points = np.random.default_rng(0).normal(size=(120, 2)).astype("float32")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", RuntimeWarning)
        study = AutoModel(tuner).fit(
            (points, (points[:, 0] > 0).astype("int64")),
            trials=trials,
            epochs=2,
            scheduler="none",
            cluster="inline",
            name="tight",
            store=folder / "gradfleet.db",
            resume=resume,
            progress=False,
        )
    return study, [str(one.message)[:35] for one in said if "Memory" in str(one.message)]


@pytest.mark.row("SE15")
def test_trials_out_of_memory_finish_and_later_ones_start_with_what_they_learned(tmp_path: Path) -> None:
    study, said = search(tmp_path, trials=3)

    assert {trial.state for trial in study.trials} == {"COMPLETE"}
    assert said == ["Memory ran out with 32 rows at once", "Memory ran out with 16 rows at once"], "the first trial's"
    records = [record for trial in study.trials for record in study.history(trial.number)]
    assert [record["micro_batch"] for record in records] == [8.0] * 6

    study, said = search(tmp_path, trials=5, resume=True)

    assert (len(study.trials), said) == (5, []), "what was learned is in the store"
