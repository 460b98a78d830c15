"""torch.export: a network as a program that needs neither its classes nor this package."""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from gradfleet.data.prepared import DataFacts
from gradfleet.errors import ExportError
from gradfleet.export.score import INPUTS
from gradfleet.training.model import Model
from gradfleet.training.settings import TrainingSettings
from gradfleet.training.state.checkpoint import DESCRIPTION
from gradfleet.trials.predictor import ModelPredictor

PROGRAM = "program.pt2"
_ROWS = 3  # of the example that is traced; torch.export takes 0 and 1 for constants


def exported(predictor: ModelPredictor, example: Mapping[str, torch.Tensor]) -> torch.export.ExportedProgram:
    """The network in eval mode, on the CPU, for any number of rows; of texts also for any length.

    Args:
        example: prepared inputs by name, a few rows; see `score.rows_of`.

    Raises:
        ExportError: torch cannot follow the network; its reason is in the message.
    """
    network = copy.deepcopy(predictor.model.network).cpu().eval()
    rows = {name: torch.cat([tensor.cpu()] * _ROWS)[:_ROWS].clone() for name, tensor in example.items()}
    batch = torch.export.Dim("batch", min=1)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's own, about parts of itself
            if list(rows) == [INPUTS]:
                return torch.export.export(network, (rows[INPUTS],), dynamic_shapes=({0: batch},), strict=False)
            shapes = {name: {0: batch, 1: torch.export.Dim.AUTO} for name in rows}
            return torch.export.export(network, (), kwargs=rows, dynamic_shapes=shapes, strict=False)
    except Exception as error:
        raise ExportError(
            f"torch.export cannot follow this {type(network).__name__}: {error} "
            "Branches on values and Python loops over rows are what it usually stumbles over."
        ) from error


def program_bytes(program: torch.export.ExportedProgram) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, buffer)
    return buffer.getvalue()


class ProgramNetwork(nn.Module):
    """An exported program as a network: always in eval mode, because it was exported so."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        self.program = program.module()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  # the signature of nn.Module
        self.training = False
        return self

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.program(*inputs, **named)
        return outputs


def read_program(folder: Path, files: Mapping[str, bytes]) -> ModelPredictor:
    """The predictor of a bundle's member that travels as a program. Loading it can run its author's code."""
    description: dict[str, Any] = json.loads(files[DESCRIPTION])
    facts = DataFacts.from_json(description["extra"]["facts"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(io.BytesIO(files[PROGRAM]))
    told = TrainingSettings.from_json(description["settings"]) if description["settings"] else None
    settings = replace(told or TrainingSettings(), kind=description["kind"] or facts.kind)
    model = Model(ProgramNetwork(program), device="cpu")
    model.compile(**{name: getattr(settings, name) for name in TrainingSettings.__dataclass_fields__})
    return ModelPredictor(model, facts, batch_size=description["batch_size"])
