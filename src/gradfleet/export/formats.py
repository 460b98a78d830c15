"""`export`: one model into one format, checked in a clean process before it is called done."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gradfleet.errors import ExportError, SettingError, unknown_name
from gradfleet.export import clean_process
from gradfleet.export.bundle import PROGRAM_REFERENCE, Member, write_bundle
from gradfleet.export.description import describe, describe_inputs, example_of
from gradfleet.export.onnx import quantize, require_onnx, write_onnx
from gradfleet.export.pretrained_folder import Writes, measured_texts, write_folder
from gradfleet.export.program import PROGRAM, exported, program_bytes
from gradfleet.export.score import CLOSE, INPUTS, Score, metrics_of, rows_of
from gradfleet.export.trained import Trained
from gradfleet.training.state.checkpoint import DESCRIPTION, read_files
from gradfleet.training.state.saving import TRAINING

_OUTPUTS_AGREE = 1e-4
_COMPARED = 64  # rows whose outputs are compared number by number


@dataclass(frozen=True, slots=True)
class Exported:
    """An export that is done.

    Attributes:
        path: the folder.
        score: what it gave in a clean process; None when it was not to be checked.
    """

    path: Path
    format: str
    score: Score | None

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "format": self.format, "score": self.score and asdict(self.score)}

    def __str__(self) -> str:
        if self.score is None:
            return f"{self.format} in {self.path}, not checked"
        score = self.score
        return (
            f"{self.format} in {self.path}: {score.metric} {score.measured:.4f} on {score.num_rows:,} validation rows "
            f"in a new process (recorded {score.recorded:.4f})"
        )


def export(
    trained: Trained,
    path: str | os.PathLike[str],
    *,
    format: str = "bundle",
    check: bool = True,
    max_loss: float = 0.01,
) -> Exported:
    """Write the model to the folder `path`, which appears when everything is in it and it was found to work.

    Args:
        format: "bundle" is loaded by `Bundle.load`; "onnx" runs in onnxruntime, "onnx-int8" too, with its matrix
            products in 8 bits; "torch" is loaded by `torch.export.load` and needs neither this package nor the
            network's classes; "transformers" is loaded by `from_pretrained`, of networks that are of transformers.
        check: load it in a clean process, run the validation data through it, and refuse it unless it reaches the
            recorded score.
        max_loss: how much of the score "onnx-int8" may lose.

    Raises:
        SettingError: there is no such format, or something is at `path` already.
        ExportError: the model cannot be written so, or does not give its score there.
    """
    if format not in _FORMATS:
        raise SettingError(unknown_name("format", format, _FORMATS))
    form = _FORMATS[format]
    with appearing(Path(path).absolute()) as folder:
        form.write(trained, folder)
        score = _score(trained, folder, form, max_loss) if check else None
    return Exported(Path(path).absolute(), format, score)


def _score(trained: Trained, folder: Path, form: _Format, max_loss: float) -> Score:
    measured, num_rows = _measured(trained, folder, form)
    score = Score(trained.metric, trained.recorded, measured, num_rows)
    score.require_within(max_loss if form.is_lossy else CLOSE, "Pass a larger max_loss=." if form.is_lossy else "")
    return score


def _measured(trained: Trained, folder: Path, form: _Format) -> tuple[float, int]:
    """The score of the export in a clean process, and the number of validation rows."""
    if form.runner is None:
        return _measured_bundle(trained, folder)
    predictor = trained.predictor
    if isinstance(predictor, Writes):
        return measured_texts(trained, predictor, folder)
    return _measured_outputs(trained, folder, form)


def _write_bundle(trained: Trained, folder: Path) -> None:
    write_bundle(folder, _members(trained), trained.about)


def _members(trained: Trained) -> list[Member]:
    """Checkpoints without what only training needs; a recipe without a name sends its network along, as one program."""
    found = {
        checkpoint: {name: content for name, content in read_files(checkpoint).items() if name != TRAINING}
        for checkpoint in trained.checkpoints
    }
    if trained.is_named:
        return [Member(trained.reference, files, trained.checkpoints[place]) for place, files in found.items()]
    program = exported(trained.network, example_of(trained))
    first = next(iter(found.values()))
    return [Member(PROGRAM_REFERENCE, {DESCRIPTION: first[DESCRIPTION], PROGRAM: program_bytes(program)})]


def _write_program(trained: Trained, folder: Path) -> None:
    example = example_of(trained)
    (folder / PROGRAM).write_bytes(program_bytes(exported(trained.network, example)))
    describe_inputs(trained, example, folder)


def _write_onnx(trained: Trained, folder: Path) -> None:
    require_onnx()
    example = example_of(trained)
    write_onnx(exported(trained.network, example), list(example), folder)
    describe_inputs(trained, example, folder)


def _write_onnx_int8(trained: Trained, folder: Path) -> None:
    _write_onnx(trained, folder)
    quantize(folder)


def _write_transformers(trained: Trained, folder: Path) -> None:
    write_folder(trained, folder)
    describe(trained, folder)


@dataclass(frozen=True, slots=True)
class _Format:
    """How a format is written, and how it is run in a clean process.

    Attributes:
        runner: gets the folder, inputs and a place for the outputs; None for what predicts by itself.
        is_lossy: whether outputs may differ and the score may be lower.
    """

    write: Callable[[Trained, Path], None]
    runner: str | None
    is_lossy: bool = False


_FORMATS = {
    "bundle": _Format(_write_bundle, None),
    "onnx": _Format(_write_onnx, "onnx"),
    "onnx-int8": _Format(_write_onnx_int8, "onnx", is_lossy=True),
    "torch": _Format(_write_program, "program"),
    "transformers": _Format(_write_transformers, "transformers"),
}
FORMATS = tuple(_FORMATS)


def _measured_bundle(trained: Trained, folder: Path) -> tuple[float, int]:
    """The bundle's own `evaluate` over the validation data, and the number of its rows."""
    rows = trained.open_data().facts.num_rows["validation"]
    assert trained.data is not None, "open_data refuses its absence"
    with tempfile.TemporaryDirectory() as place:
        clean_process.run("bundle", folder, trained.data, Path(place, "metrics.json"))
        measured = json.loads(Path(place, "metrics.json").read_text(encoding="utf-8"))
    return measured[trained.metric], rows


def _measured_outputs(trained: Trained, folder: Path, form: _Format) -> tuple[float, int]:
    """The score of what comes out of the export for all validation inputs, and their number."""
    inputs, targets = rows_of(trained.open_data().validation, trained.network.model.network)
    assert form.runner is not None
    with tempfile.TemporaryDirectory() as place:
        before, after = Path(place, "inputs.npz"), Path(place, "outputs.npy")
        arrays: dict[str, Any] = {name: rows.numpy() for name, rows in inputs.items()}
        np.savez(before, **arrays)
        clean_process.run(form.runner, folder, before, after)
        outputs = torch.from_numpy(np.load(after))
    if not form.is_lossy:
        _require_equal(trained, {name: rows[:_COMPARED] for name, rows in inputs.items()}, outputs[:_COMPARED])
    return metrics_of(trained.network.model, outputs, targets)[trained.metric], len(targets)


def _require_equal(trained: Trained, inputs: Mapping[str, torch.Tensor], outputs: torch.Tensor) -> None:
    named = inputs[INPUTS] if list(inputs) == [INPUTS] else inputs
    expected = trained.network.model.predict(named).float()
    apart = float((expected - outputs).abs().max() / max(1.0, float(expected.abs().max())))
    if not apart <= _OUTPUTS_AGREE:
        raise ExportError(
            f"The export's outputs are up to {apart:.1e} from the network's own, relative to the largest; "
            f"at most {_OUTPUTS_AGREE:g} is allowed."
        )


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A folder under another name that becomes `path` when what follows succeeds."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SettingError(f"Something is at {path} already; an export replaces nothing. Choose another path.")
    making = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.making")
    making.mkdir(parents=True)
    try:
        yield making
        making.rename(path)
    finally:
        shutil.rmtree(making, ignore_errors=True)
