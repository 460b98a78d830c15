"""A model as a checkpoint's files, and back."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from gradfleet.errors import CheckpointError
from gradfleet.training.history import History
from gradfleet.training.settings import TrainingSettings
from gradfleet.training.state.checkpoint import DESCRIPTION, read_files, write_files
from gradfleet.training.state.previous import read_intact

if TYPE_CHECKING:
    from gradfleet.training.model import Model

TRAINING = "training.pt"
_PLAIN = {bool, bytes, float, int, str, type(None)}


def save(model: Model, folder: Path, extra: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write everything of the model: weights, description, and what a resumed fit needs."""
    state = model.state()
    files = {_weights_file(name): _weights(weights) for name, weights in state.pop("networks").items()}
    files[TRAINING] = _training_state(state)
    files[DESCRIPTION] = json.dumps(_description(model, extra), indent=1).encode()
    write_files(folder, files, durable=durable)


def load(model: Model, folder: Path) -> TrainingSettings | None:
    """Put weights and history into the model; the settings it was compiled with, None when they were objects."""
    files = read_files(folder)
    description = _restore(model, folder, files)
    settings = TrainingSettings.from_json(description["settings"]) if description["settings"] is not None else None
    return replace(settings, kind=description["kind"]) if settings is not None else None


@dataclass(frozen=True, slots=True)
class Resumption:
    """A checkpoint whose weights are in a compiled model already; the rest follows when the loop has been made.

    Attributes:
        fit: what the loop needs.
    """

    folder: Path
    optimizers: Mapping[str, Any]
    scaler: Mapping[str, Any]
    fit: Mapping[str, Any]

    def restore_optimizers(self, model: Model, *, own_values: bool = False) -> None:
        """Put the optimizers' state back. The schedules must be made before: making one changes its optimizer.

        Args:
            own_values: what the optimizers have gathered only; learning rate and other values stay the model's own.

        Raises:
            CheckpointError: the model has other optimizers.
        """
        for name, optimizer in model.optimizers.items():
            own = [{key: group[key] for key in group if key != "params"} for group in optimizer.param_groups]
            try:
                _check_values(optimizer, self.optimizers[name])
                state = self.optimizers[name]
                optimizer.load_state_dict(
                    state if model.sharding is None else model.sharding.parts_of(state, optimizer)
                )
            except (KeyError, ValueError) as error:
                raise CheckpointError(
                    f"The checkpoint {self.folder} was made with another optimizer: {error}"
                ) from error
            if own_values:
                for group, values in zip(optimizer.param_groups, own, strict=True):
                    group.update(values)
        if model.precision.scaler is not None and self.scaler:
            model.precision.scaler.load_state_dict(dict(self.scaler))


def without_values(fit: Mapping[str, Any]) -> dict[str, Any]:
    """What a fit needs to go on from another's, with its own learning rates: how far the schedules are, not where."""
    schedules = {
        name: {key: value for key, value in state.items() if key not in ("base_lrs", "_last_lr")}
        for name, state in fit["schedules"].items()
    }
    return {**fit, "schedules": schedules}


def resume(model: Model, folder: Path) -> Resumption:
    """Put weights and history into a compiled model, and read the rest; of a damaged checkpoint see `read_intact`.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another network.
    """
    folder, files = read_intact(folder)
    state = _read_training_state(folder, files)
    if set(state["optimizers"]) != set(model.optimizers):
        raise CheckpointError(
            f"The checkpoint {folder} has optimizers for {sorted(state['optimizers'])}, "
            f"and the model for {sorted(model.optimizers)}."
        )
    _restore(model, folder, files)
    return Resumption(folder, state["optimizers"], state["scaler"], state["fit"])


def _description(model: Model, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "epoch": model.epoch,
        "history": json.loads(model.history.to_json()),
        "settings": model.settings.to_json() if model.is_compiled else None,
        "kind": model.kind,
        "labels": model.labels,
        "batch_size": model.batch_size,
        "networks": _classes(model),
        "extra": dict(extra),
    }


def _classes(model: Model) -> dict[str, str]:
    if model.sharding is not None:
        return model.sharding.classes
    return {name: type(network).__qualname__ for name, network in model.networks.items()}


def _restore(model: Model, folder: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(files[DESCRIPTION])
    if set(description["networks"]) != set(model.networks):
        raise CheckpointError(
            f"The checkpoint {folder} holds the networks {sorted(description['networks'])}, "
            f"and the model has {sorted(model.networks)}."
        )
    weights = {name: safetensors.torch.load(files[_weights_file(name)]) for name in model.networks}
    for name, network in model.networks.items():
        _check_fit(folder, network, weights[name])
    for name in model.networks:
        model.put_weights(name, weights[name])
    if description["kind"] is not None:
        model.settle_as(description["kind"])
    model.epoch = description["epoch"]
    model.history = History.from_json(json.dumps(description["history"]))
    model.labels = tuple(description["labels"]) if description["labels"] is not None else None
    model.batch_size = description["batch_size"]
    return description


def _check_fit(folder: Path, network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    own = network.state_dict()
    differences = {
        "missing": [key for key in own if key not in weights],
        "unexpected": sorted(key for key in weights if key not in own),
        "of another shape": [
            f"{key} {tuple(weights[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in weights and not is_lazy(own[key]) and weights[key].shape != own[key].shape
        ],
    }
    found = [f"{kind}: {', '.join(keys)}" for kind, keys in differences.items() if keys]
    if found:
        raise CheckpointError(f"The checkpoint {folder} belongs to another architecture; {'; '.join(found)}.")


def _check_values(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Refuse the state of another kind of optimizer, which torch would take and fail on in the first step.

    Of the same kind a newer torch has more values and a torch scheduler adds some: only both together are a difference.
    """
    kept, needed = set(state["param_groups"][0]), set(optimizer.defaults)
    missing, strange = needed - kept, kept - set(optimizer.param_groups[0])
    if missing and strange:
        name = type(optimizer).__name__
        raise ValueError(
            f"{name} needs {', '.join(sorted(missing))}, and there is {', '.join(sorted(strange))}. Compile with the "
            "optimizer that it was made with, or load the weights alone: Model.load(...)."
        )


def _weights_file(name: str) -> str:
    return "weights.safetensors" if name == "network" else f"weights.{name}.safetensors"


def _weights(state: Mapping[str, Any]) -> bytes:
    """The state dict as safetensors, which refuses tensors that share memory: tied weights are written twice."""
    seen: set[int] = set()
    tensors = {}
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise CheckpointError(f"The network keeps {key!r}, which is no tensor; a checkpoint cannot.")
        address = value.untyped_storage().data_ptr()
        tensors[key] = value.clone() if address in seen else value.contiguous()
        seen.add(address)
    return safetensors.torch.save(tensors)


def _training_state(state: Mapping[str, Any]) -> bytes:
    _require_plain(state["fit"], "the state of the fit")
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def _require_plain(value: Any, name: str) -> None:
    """Refuse, while there is somebody to see it, what could not be loaded back without running code."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            _require_plain(part, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            _require_plain(part, f"{name}.{number}")
    elif type(value) not in _PLAIN and not isinstance(value, torch.Tensor):
        raise CheckpointError(
            f"{name} is a {type(value).__name__}; a checkpoint holds numbers, strings, tensors, and lists and dicts of "
            "them. Convert it in the callback's state()."
        )


def _read_training_state(folder: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    if TRAINING not in files:
        raise CheckpointError(f"The checkpoint {folder} has no {TRAINING}, so training cannot go on from it.")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(files[TRAINING]), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{TRAINING} of the checkpoint {folder} holds more than numbers and tensors; "
            f"a callback's or an optimizer's state must be plain. {error}"
        ) from error
    return state
