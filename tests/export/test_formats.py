"""What other programs load: ONNX graphs and torch.export programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from autotasks import AutoImageClassifier
from gradfleet.data.prepared import read_prepared
from gradfleet.errors import ExportError


@pytest.fixture(scope="session")
def inputs(classifier: AutoImageClassifier) -> torch.Tensor:
    """The prepared validation pictures."""
    validation = read_prepared(Path(classifier.study.spec["data"])).validation
    return torch.stack(list(validation.inputs))  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def expected(classifier: AutoImageClassifier, inputs: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = classifier.study.best.model().model.predict(inputs)  # type: ignore[attr-defined]
    return outputs


@pytest.fixture(scope="session")
def program(classifier: AutoImageClassifier, place: Path) -> Path:
    return classifier.export(place / "torch", format="torch").path


@pytest.mark.row("ES1")
def test_an_onnx_graph_gives_the_networks_outputs_for_any_number_of_rows(
    classifier: AutoImageClassifier, inputs: torch.Tensor, expected: torch.Tensor, tmp_path: Path
) -> None:
    import onnxruntime

    done = classifier.export(tmp_path / "onnx", format="onnx")
    assert done.score is not None
    assert done.score.measured == pytest.approx(classifier.study.best.value)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    for rows in (1, 2, 7, len(inputs)):
        (found,) = session.run(None, {"inputs": inputs[:rows].numpy()})
        np.testing.assert_allclose(found, expected[:rows].numpy(), atol=1e-4)


@pytest.mark.row("ES2")
def test_a_program_gives_exactly_the_networks_outputs_and_8_bits_lose_at_most_what_is_said(
    classifier: AutoImageClassifier, program: Path, inputs: torch.Tensor, tmp_path: Path
) -> None:
    loaded = torch.export.load(program / "program.pt2").module()
    with torch.no_grad():
        assert torch.equal(loaded(inputs), _direct(classifier, inputs))
    small = classifier.export(tmp_path / "int8", format="onnx-int8", max_loss=0.05)
    assert small.score is not None
    assert small.score.loss <= 0.05
    assert (tmp_path / "int8" / "model.onnx").read_bytes().count(b"Integer") > 0


def _direct(classifier: AutoImageClassifier, inputs: torch.Tensor) -> torch.Tensor:
    network = classifier.study.best.model().model.network  # type: ignore[attr-defined]
    outputs: torch.Tensor = network.cpu().eval()(inputs)
    return outputs


@pytest.mark.row("ES5")
def test_a_program_runs_where_this_package_is_not(
    program: Path, inputs: torch.Tensor, expected: torch.Tensor, tmp_path: Path
) -> None:
    np.save(tmp_path / "inputs.npy", inputs.numpy())
    code = """
import sys
sys.modules["gradfleet"] = sys.modules["autotasks"] = None  # importing either raises
import numpy, torch
program = torch.export.load(sys.argv[1]).module()
numpy.save("outputs.npy", program(torch.from_numpy(numpy.load("inputs.npy"))).detach().numpy())
"""
    subprocess.run([sys.executable, "-c", code, str(program / "program.pt2")], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected.numpy(), atol=1e-5)
    described = json.loads((program / "gradfleet.json").read_text())
    assert described["labels"] == ["level", "upright"]
    assert described["preparation"]["size"] == [8, 8]


@pytest.mark.gpu
@pytest.mark.row_part("ES3")
def test_what_was_trained_on_a_gpu_runs_on_the_cpu(classifier: AutoImageClassifier, tmp_path: Path) -> None:
    assert next(classifier.study.best.model().model.network.parameters()).is_cuda  # type: ignore[attr-defined]
    assert classifier.export(tmp_path / "torch", format="torch").score is not None


def test_8_bits_that_lose_too_much_are_refused(classifier: AutoImageClassifier, tmp_path: Path) -> None:
    from dataclasses import replace

    best = classifier.study.best
    told = replace(best, metrics={**best.metrics, "val_accuracy": 0.1})
    with pytest.raises(ExportError, match="at most 0.05 apart is allowed. Pass a larger max_loss=."):
        told.export(tmp_path / "int8", format="onnx-int8", max_loss=0.05)
