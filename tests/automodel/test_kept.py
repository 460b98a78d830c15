"""What a study keeps is enough: another process, which has neither the model nor its code, shows it whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from torch import nn

from gradfleet import AutoDataset, AutoModel, Int, Study, Tuner
from gradfleet.data.prepared import PreparedData, read_prepared
from gradfleet.trials.held_out import HeldOut

ROWS = 90
PLOTS = ("history", "curves", "importance", "parallel", "slice", "timeline")

SHOWS = f"""
import json, sys
from pathlib import Path
from gradfleet import Study

study = Study.attach("kept", store=sys.argv[1])
for kind in {PLOTS}:
    study.plot(kind, to=Path(sys.argv[2], kind + ".png"))
study.report(Path(sys.argv[2], "report.html"))
told = dict(
    table=json.loads(study.leaderboard().to_json(orient="records")),
    configs=[trial.config for trial in study.trials],
    curves=[study.history(trial.number).values("val_loss") for trial in study.trials],
    spec=study.spec,
    fingerprint=study.row.fingerprint,
    loaded=sorted({{"torch", "ray"}} & set(sys.modules)),
)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Things by size and colour: the large ones and the red ones that are not too small are big."""
    draw = np.random.default_rng(0)
    things = pandas.DataFrame({"size": draw.normal(5, 2, ROWS), "colour": draw.choice(["red", "blue", "green"], ROWS)})
    things["label"] = np.where(things["size"] + 2 * (things["colour"] == "red") > 6, "big", "small")
    file = tmp_path_factory.mktemp("table") / "things.csv"
    things.to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "g.db"


@pytest.fixture(scope="module")
def study(table: Path, store: Path) -> Study:
    def mlp(input_shape: tuple[int, ...], num_outputs: int, width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))

    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(4, 32))
    data = AutoDataset(table, target="label")
    settings: dict[str, Any] = {"cluster": "inline", "progress": False, "scheduler": "none"}
    return AutoModel(tuner).fit(data, trials=4, epochs=2, folds=3, name="kept", store=store, **settings)


@pytest.fixture(scope="module")
def folds(study: Study) -> list[PreparedData]:
    return [read_prepared(Path(fold["place"])) for fold in study.spec["runs"]["folds"]]


@pytest.mark.row("TP3")
def test_another_process_draws_table_and_plots_again_without_the_model(
    study: Study, store: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SHOWS, str(store), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["table"] == json.loads(study.leaderboard().to_json(orient="records"))
    assert told["configs"] == [trial.config for trial in study.trials]
    assert told["curves"] == [study.history(number).values("val_loss") for number in range(4)]
    assert (told["spec"], told["fingerprint"]) == (study.spec, study.row.fingerprint)
    assert told["loaded"] == []
    for kind in PLOTS:
        assert (tmp_path / f"{kind}.png").read_bytes().startswith(b"\x89PNG")
    assert "kept" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.row("TP3")
def test_splits_folds_and_encoders_are_there(study: Study, folds: list[PreparedData], table: Path) -> None:
    """Each row validates once, and each fold's encoders are those of its own training rows."""
    sizes = pandas.read_csv(table)["size"].to_numpy()
    validated = []
    for fold in folds:
        assert fold.facts.preparation is not None
        (_, _, (_, scaling)), _ = fold.facts.preparation["columns"]
        here = scaling["mean"] + scaling["std"] * np.asarray(fold.validation.inputs)[:, 0]  # type: ignore[union-attr]
        validated.append(here)
        others = sizes[~np.isclose(sizes[:, None], here, atol=1e-4).any(axis=1)]
        assert scaling["mean"] == pytest.approx(others.mean(), abs=1e-6)
    assert np.allclose(np.sort(np.concatenate(validated)), np.sort(sizes), atol=1e-4)
    assert {fold.fingerprint for fold in folds} == {folds[0].fingerprint}, "of one content"
    assert study.row.fingerprint == Path(study.spec["data"]).name


@pytest.mark.row("TP3")
def test_predictions_lie_beside_the_checkpoint_and_give_the_recorded_numbers(
    study: Study, folds: list[PreparedData]
) -> None:
    best = study.best
    said = HeldOut.read(best.files())
    assert said is not None
    assert said.targets.tolist() == folds[-1].validation.targets.tolist()  # type: ignore[union-attr]
    right = (said.outputs.argmax(dim=1) == said.targets).float().mean().item()
    assert right == pytest.approx(best.own_metrics["val_accuracy"])
