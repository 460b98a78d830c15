"""A bundle: everything that it takes to predict, and no code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from autotasks import AutoImageClassifier
from gradfleet import Bundle, Study
from gradfleet.errors import CheckpointError, ExecutionError, ExportError, SettingError
from tests.export.conftest import write_stripes


@pytest.fixture(scope="session")
def folder(classifier: AutoImageClassifier, place: Path) -> Path:
    classifier.export(place / "bundle")
    return place / "bundle"


@pytest.mark.row("ES4")
def test_a_bundle_predicts_raw_files_in_a_process_that_has_nothing_else(
    folder: Path, classifier: AutoImageClassifier, tmp_path: Path
) -> None:
    files = sorted(map(str, write_stripes(tmp_path / "new", each=5, seed=1).rglob("*.png")))
    code = """
import json, sys
from gradfleet import Bundle
bundle = Bundle.load(sys.argv[1])
print(json.dumps([bundle.predict(sys.argv[2:]), bundle.predict_proba(sys.argv[2:]).tolist(), bundle.labels]))
assert "torch._dynamo" not in sys.modules, "no optimizer is made to predict: the first one loads torch's compiler"
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(folder), *files], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    labels, probabilities, known = json.loads(told)
    assert labels == classifier.predict(files)
    assert torch.tensor(probabilities).allclose(torch.from_numpy(classifier.predict_proba(files)), atol=1e-6)
    assert known == ["level", "upright"]


def test_a_bundle_is_weights_and_json(folder: Path) -> None:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["bundle.json", *(f"member-0/{name}" for name in _MEMBER)]


_MEMBER = ("manifest.json", "model.json", "weights.safetensors")


def test_a_bundle_says_where_it_comes_from(folder: Path, classifier: AutoImageClassifier) -> None:
    about = Bundle.load(folder).about
    best = classifier.study.best
    assert (about["study"], about["trial"], about["config"]) == ("stripes", best.number, best.config)
    assert about["metrics"]["val_accuracy"] == best.value


def test_a_bundle_is_measured_on_a_labelled_folder(
    folder: Path, classifier: AutoImageClassifier, tmp_path: Path
) -> None:
    held_out = write_stripes(tmp_path / "held-out", each=20, seed=2)
    assert Bundle.load(folder).evaluate(held_out) == pytest.approx(classifier.evaluate(held_out))


def test_a_network_of_ones_own_travels_as_a_program_that_has_to_be_trusted(own_study: Study, tmp_path: Path) -> None:
    done = own_study.best.export(tmp_path / "own")
    assert done.score is not None
    assert done.score.measured == own_study.best.value
    with pytest.raises(ExecutionError, match="If you trust it, pass trust_program=True."):
        Bundle.load(tmp_path / "own")
    rows = torch.randn(5, 3)
    bundle = Bundle.load(tmp_path / "own", trust_program=True)
    assert bundle.predict(rows) == own_study.best.model().predict(rows)
    assert sorted(path.name for path in (tmp_path / "own" / "member-0").iterdir()) == [
        "manifest.json",
        "model.json",
        "program.pt2",
    ]


def test_a_damaged_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no bundle at .*: bundle.json is not there."):
        Bundle.load(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(CheckpointError, match="is damaged: bundle.json cannot be read"):
        Bundle.load(tmp_path)
    (tmp_path / "bundle.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(CheckpointError, match="has format 99; this version reads format 1."):
        Bundle.load(tmp_path)


def test_a_weight_that_was_changed_is_found(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for path in (path for path in folder.rglob("*") if path.is_file()):
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = bytearray(path.read_bytes())
        if path.suffix == ".safetensors":
            content[-1] ^= 1
        target.write_bytes(content)
    with pytest.raises(CheckpointError, match="the content of weights.safetensors is not what was written"):
        Bundle.load(copy)


def test_an_export_replaces_nothing(folder: Path, classifier: AutoImageClassifier) -> None:
    with pytest.raises(SettingError, match="is at .* already; an export replaces nothing. Choose another path."):
        classifier.export(folder)


def test_an_unknown_format_is_refused_with_the_known_ones(classifier: AutoImageClassifier, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="No format is called 'onx'. Did you mean 'onnx'?"):
        classifier.export(tmp_path / "model", format="onx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.row("ES7")
def test_an_export_that_misses_the_recorded_score_is_refused_and_leaves_nothing(
    own_study: Study, tmp_path: Path
) -> None:
    from dataclasses import replace

    better = replace(own_study.best, metrics={**own_study.best.metrics, "val_accuracy": 0.2})
    for format in ("bundle", "torch"):
        with pytest.raises(ExportError, match=r"gives accuracy 0\.\d+ in a new process, and the search recorded 0.2"):
            better.export(tmp_path / "model", format=format)
    assert list(tmp_path.iterdir()) == []


def test_without_its_data_an_export_cannot_be_checked_and_says_so(own_study: Study, tmp_path: Path) -> None:
    from dataclasses import replace

    lost = replace(own_study.best, spec={**own_study.spec, "data": str(tmp_path / "gone")})
    with pytest.raises(ExportError, match="is not at .*gone any more.* Pass check=False to export it unchecked."):
        lost.export(tmp_path / "model")
    done = lost.export(tmp_path / "model", check=False)
    assert str(done) == f"bundle in {tmp_path / 'model'}, not checked"
    assert Bundle.load(tmp_path / "model", trust_program=True).predict(torch.zeros(1, 3)) in ([0], [1])
