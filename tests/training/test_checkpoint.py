from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet.errors import CheckpointError
from gradfleet.training.callbacks import Callback, Checkpoint, EarlyStopping
from gradfleet.training.model import Model
from gradfleet.training.state.checkpoint import read_description, read_extra, read_files, write_files

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


def weights(model: Model) -> torch.Tensor:
    values = [value.flatten().double() for one in model.networks.values() for value in one.state_dict().values()]
    return torch.cat(values)


@pytest.fixture
def saved(pair: Pair, network: Make, tmp_path: Path) -> Path:
    model = Model(network()).compile("cross_entropy", metrics=["accuracy"])
    model.fit(pair, pair, epochs=2)
    model.save(tmp_path / "saved", extra={"config": {"width": 8}})
    return tmp_path / "saved"


def test_a_loaded_model_measures_and_predicts_as_the_saved_one(pair: Pair, network: Make, tmp_path: Path) -> None:
    model = Model(network()).compile()
    history = model.fit(pair, pair, epochs=2, batch_size=16)
    model.save(tmp_path / "saved")

    loaded = Model.load(tmp_path / "saved", network())

    assert torch.equal(loaded.predict(pair[0]), model.predict(pair[0]))
    assert loaded.evaluate(pair)["accuracy"] == history[-1]["val_accuracy"]
    assert loaded.evaluate(pair)["loss"] == history[-1]["val_loss"]
    assert loaded.history[1] == history[1]
    assert loaded.epoch == 2


def test_a_checkpoint_is_a_folder_of_readable_files_with_a_manifest(saved: Path) -> None:
    assert sorted(file.name for file in saved.iterdir()) == [
        "manifest.json",
        "model.json",
        "training.pt",
        "weights.safetensors",
    ]
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["files"]["model.json"]["size"] == (saved / "model.json").stat().st_size
    assert read_description(saved)["settings"]["loss"] == "cross_entropy"
    assert read_extra(saved) == {"config": {"width": 8}}


@pytest.mark.parametrize("name", ["manifest.json", "model.json", "training.pt", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_a_damaged_checkpoint_is_refused_with_the_files_name(
    name: str, damage: str, saved: Path, network: Make
) -> None:
    file = saved / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if damage == "cut" else b"?" + content[1:])

    with pytest.raises(CheckpointError, match=name):
        Model.load(saved, network())


def test_a_place_without_a_checkpoint_is_refused(tmp_path: Path, network: Make) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at .+nowhere"):
        Model.load(tmp_path / "nowhere", network())


def test_a_later_format_is_refused(saved: Path, network: Make) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))

    with pytest.raises(CheckpointError, match="has format 99; this version reads format 1"):
        Model.load(saved, network())


def test_another_architecture_is_refused_with_missing_and_unexpected_keys(saved: Path) -> None:
    other = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 2))
    before = other[0].weight.clone()

    with pytest.raises(CheckpointError) as caught:
        Model.load(saved, other)

    message = str(caught.value)
    assert "missing: 2.weight, 2.bias" in message
    assert "unexpected: 3.bias, 3.weight" in message
    assert "of another shape: 0.weight (8, 4) instead of (9, 4), 0.bias (8,) instead of (9,)" in message
    assert torch.equal(other[0].weight, before)


def test_other_networks_are_refused(saved: Path, network: Make) -> None:
    with pytest.raises(CheckpointError, match=r"holds the networks \['network'\], and the model has \['a', 'b'\]"):
        Model.load(saved, {"a": network(), "b": network()})


def test_loading_runs_no_code_of_the_checkpoint(saved: Path, pair: Pair, network: Make, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "evil"),)

    buffer = io.BytesIO()
    torch.save(Evil(), buffer)
    write_files(saved, {**read_files(saved), "training.pt": buffer.getvalue()})

    Model.load(saved, network())
    with pytest.raises(CheckpointError, match=r"training\.pt of the checkpoint .+ more than numbers and tensors"):
        Model(network()).compile().fit(pair, epochs=3, resume=saved)
    assert not (tmp_path / "evil").exists()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "place", {"a": b"old"})

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_files(tmp_path / "place", {"a": b"new"})

    assert read_files(tmp_path / "place") == {"a": b"old"}
    assert [one.name for one in tmp_path.iterdir()] == ["place"]


def test_a_death_between_the_two_renames_leaves_the_previous_one_readable(tmp_path: Path) -> None:
    write_files(tmp_path / "place", {"a": b"old"})
    (tmp_path / "place").rename(tmp_path / ".place.previous")

    assert read_files(tmp_path / "place") == {"a": b"old"}

    write_files(tmp_path / "place", {"a": b"new"})
    assert read_files(tmp_path / "place") == {"a": b"new"}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["place"]


def test_a_write_that_need_not_be_durable_flushes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)

    write_files(tmp_path / "a", {"a": b""}, durable=False)
    assert not flushed
    write_files(tmp_path / "b", {"b": b""})
    assert len(flushed) == 4  # both files, their folder, and the folder above


def test_tied_weights_are_kept(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        module[1].weight = module[0].weight
        return module

    model = Model(tied()).compile()
    model.save(tmp_path / "saved")
    loaded = Model.load(tmp_path / "saved", tied())

    assert torch.equal(weights(loaded), weights(model))
    assert loaded.network[1].weight is loaded.network[0].weight


def test_a_model_with_objects_of_ones_own_is_compiled_again_after_loading(
    pair: Pair, network: Make, tmp_path: Path
) -> None:
    Model(network()).compile(nn.CrossEntropyLoss()).save(tmp_path / "saved")

    loaded = Model.load(tmp_path / "saved", network())

    assert loaded.predict(pair[0]).shape == (70, 2)
    assert not loaded.is_compiled
    assert loaded.compile("cross_entropy").evaluate(pair)["loss"] > 0


class Counter(Callback):
    """State of its own, which changes the weights: a resumed fit needs it."""

    def __init__(self) -> None:
        self.seen = 0

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state(self, state: Any) -> None:
        self.seen = state["seen"]

    def on_loss_end(self, context: Any) -> None:
        self.seen += 1
        context.loss = context.loss * (1 + self.seen % 3)


def loader(pair: Pair, generator: torch.Generator | None = None, **workers: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*pair), batch_size=16, shuffle=True, generator=generator, **workers)


SOURCES: dict[str, Callable[[Pair], Any]] = {
    "tensors": lambda pair: pair,
    "loader": loader,
    "loader with a generator": lambda pair: loader(pair, torch.Generator().manual_seed(7)),
    "persistent workers": lambda pair: loader(
        pair, collate_fn=torch.utils.data.default_collate, num_workers=1, persistent_workers=True
    ),
}


def test_a_callback_whose_state_is_not_plain_is_named_when_saving(pair: Pair, network: Make, tmp_path: Path) -> None:
    class Keeps(Callback):
        def state(self) -> dict[str, Any]:
            return {"best": [np.float64(1.0)]}

    model = Model(network()).compile()
    model.fit(pair, epochs=1, callbacks=[Keeps()])

    with pytest.raises(CheckpointError, match=r"callbacks\..*Keeps\.0\.best\.0 is a float64; .+ numbers, strings"):
        model.save(tmp_path / "saved")


@pytest.mark.row_part("RP2")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("schedule", [None, "one_cycle", "plateau"])
def test_a_straight_run_equals_stop_and_resume_bit_for_bit(
    source: str, schedule: str | None, pair: Pair, network: Make, tmp_path: Path
) -> None:
    def compiled() -> Model:
        return Model(network(dropout=0.5)).compile(learning_rate=0.02, schedule=schedule)

    def callbacks() -> list[Callback]:
        return [Counter(), EarlyStopping(patience=2, min_delta=0.05)]

    straight = compiled()
    straight.fit(SOURCES[source](pair), pair, epochs=5, seed=3, callbacks=callbacks())

    stopped = compiled()
    for record in stopped.epochs(SOURCES[source](pair), pair, epochs=5, seed=3, callbacks=callbacks()):
        if record.epoch == 2:
            stopped.save(tmp_path / "saved")
            break
    resumed = compiled()
    resumed.fit(SOURCES[source](pair), pair, epochs=5, callbacks=callbacks(), resume=tmp_path / "saved")

    assert torch.equal(weights(resumed), weights(straight))
    assert [dict(record.metrics, train_seconds=0) for record in resumed.history] == [
        dict(record.metrics, train_seconds=0) for record in straight.history
    ]


@pytest.mark.row_part("RP2")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_resumes_bit_for_bit_too(precision: Any, pair: Pair, network: Make, tmp_path: Path) -> None:
    straight, resumed = (Model(network()).compile(precision=precision) for _ in range(2))
    for record in straight.epochs(pair, epochs=3):
        if record.epoch == 1:
            straight.save(tmp_path / "saved")
    resumed.fit(pair, epochs=3, resume=tmp_path / "saved")

    assert torch.equal(weights(resumed), weights(straight))
    if precision == "fp16":
        after, expected = (model.precision.scaler for model in (resumed, straight))
        assert after is not None
        assert expected is not None
        assert after.state_dict() == expected.state_dict()  # with the steps since the scale last grew


def test_a_checkpoint_from_before_the_first_epoch_can_be_resumed(pair: Pair, network: Make, tmp_path: Path) -> None:
    straight, resumed = (Model(network()).compile() for _ in range(2))
    straight.save(tmp_path / "saved")
    straight.fit(pair, epochs=2)
    resumed.fit(pair, epochs=2, resume=tmp_path / "saved")

    assert torch.equal(weights(resumed), weights(straight))


def test_a_loaded_model_keeps_the_kind_of_problem_that_training_settled_on(
    pair: Pair, network: Make, tmp_path: Path
) -> None:
    model = Model(network(1)).compile()
    model.fit((pair[0], pair[0].sum(dim=1)), epochs=1)
    model.save(tmp_path / "saved")

    held_out = (pair[0], pair[1].float())  # nothing but 0 and 1, as a binary problem would have

    assert "mae" in Model.load(tmp_path / "saved", network(1)).evaluate(held_out)


@pytest.mark.parametrize("name", ["manifest.json", "model.json", "training.pt", "weights.safetensors"])
def test_of_a_damaged_checkpoint_the_intact_one_before_it_is_resumed_with_a_warning(
    name: str, pair: Pair, network: Make, tmp_path: Path
) -> None:
    straight = Model(network()).compile()
    straight.fit(pair, pair, epochs=4, callbacks=[Checkpoint(tmp_path, every_epochs=1)])
    for damaged in ("last", "epoch-4", "epoch-3"):
        (tmp_path / damaged / name).write_bytes(b"")
    resumed = Model(network()).compile()

    with pytest.warns(RuntimeWarning, match=rf"{name} .+ Going on from .+epoch-2, at epoch 2\."):
        history = resumed.fit(pair, pair, epochs=4, resume=tmp_path / "last")

    assert [record.epoch for record in history] == [1, 2, 3, 4]
    assert torch.equal(weights(resumed), weights(straight))


def test_a_damaged_checkpoint_beside_those_of_other_fits_is_refused(pair: Pair, network: Make, tmp_path: Path) -> None:
    for name in ("one", "two"):
        model = Model(network()).compile()
        model.fit(pair, epochs=1)
        model.save(tmp_path / name)
    (tmp_path / "two" / "weights.safetensors").write_bytes(b"")

    with pytest.raises(CheckpointError, match=r"two is damaged: weights\.safetensors has 0 bytes"):
        Model(network()).compile().fit(pair, epochs=2, resume=tmp_path / "two")


def test_a_fit_that_was_complete_has_nothing_to_resume(saved: Path, pair: Pair, network: Make) -> None:
    model = Model(network()).compile()

    assert len(model.fit(pair, epochs=2, resume=saved)) == 2
    assert model.epoch == 2


def test_a_resumed_fit_that_early_stopping_had_ended_trains_no_more(pair: Pair, network: Make, tmp_path: Path) -> None:
    model = Model(network()).compile(optimizer="sgd", learning_rate=1e-12)
    for _ in model.epochs(pair, pair, epochs=9, callbacks=[EarlyStopping(patience=1, min_delta=1.0)]):
        model.save(tmp_path / "saved")
    again = Model(network()).compile(optimizer="sgd", learning_rate=1e-12)
    again.fit(pair, pair, epochs=9, callbacks=[EarlyStopping(patience=1, min_delta=1.0)], resume=tmp_path / "saved")

    assert len(again.history) == len(model.history) == 2


def test_another_optimizer_is_refused_when_resuming(saved: Path, pair: Pair) -> None:
    class Heads(Model):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD([*self.network.parameters()][:1], lr=0.1)

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 2))
    with pytest.raises(CheckpointError, match="another optimizer"):
        Heads(module).compile().fit(pair, epochs=3, resume=saved)


@pytest.mark.parametrize(("made", "compiled"), [("adamw", "sgd"), ("adam", "rmsprop"), ("sgd", "adamw")])
def test_a_checkpoint_of_another_kind_of_optimizer_is_refused_before_the_first_step(
    made: str, compiled: str, pair: Pair, network: Make, tmp_path: Path
) -> None:
    model = Model(network()).compile(optimizer=made)
    model.fit(pair, epochs=1)
    model.save(tmp_path / "saved")

    with pytest.raises(CheckpointError, match=r"saved was made with another optimizer: \w+ needs .+, and there is .+"):
        Model(network()).compile(optimizer=compiled).fit(pair, epochs=2, resume=tmp_path / "saved")


class SaveAt(Callback):
    """Writes a checkpoint after one batch of one epoch."""

    priority = 80

    def __init__(self, folder: Path, epoch: int, batch: int) -> None:
        self.folder, self.at = folder, (epoch, batch)

    def on_batch_end(self, context: Any) -> None:
        if (context.epoch, context.batch_number) == self.at:
            context.model.save(self.folder)
            context.stop("that is all")


MID_EPOCH_SOURCES = {**SOURCES, "own dataset that draws": lambda pair: DataLoader(Noisy(pair), 16, shuffle=True)}


class Noisy(torch.utils.data.Dataset[Pair]):
    """Augments with the global generators of torch, NumPy and Python."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __len__(self) -> int:
        return len(self.pair[0])

    def __getitem__(self, row: int) -> Pair:
        noise = torch.randn(4) + float(np.random.rand()) + random.random()
        return self.pair[0][row] + noise * 0.1, self.pair[1][row]


@pytest.mark.row("RP2")
@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("source", MID_EPOCH_SOURCES)
def test_a_straight_run_equals_stop_and_resume_in_the_middle_of_an_epoch_bit_for_bit(
    source: str, batch: int, pair: Pair, network: Make, tmp_path: Path
) -> None:
    straight, resumed = straight_and_resumed(MID_EPOCH_SOURCES[source], pair, network, tmp_path, batch=batch)
    assert torch.equal(weights(resumed), weights(straight))
    assert timeless(resumed) == timeless(straight)
    assert len(resumed.history) == 4


def straight_and_resumed(
    source: Callable[[Pair], Any], pair: Pair, network: Make, folder: Path, *, batch: int
) -> tuple[Model, Model]:
    """Four epochs in one go, and the same stopped after this batch of the second one and gone on with."""

    def fit(*more: Callback, resume: Path | None = None) -> Model:
        model = Model(network(dropout=0.5)).compile(learning_rate=0.02, schedule="one_cycle", metrics=METRICS)
        callbacks = [Counter(), EarlyStopping(patience=2, min_delta=0.05), *more]
        seed = None if resume is not None else 3
        model.fit(
            source(pair),
            pair,
            epochs=4,
            batch_size=16,
            seed=seed,
            callbacks=callbacks,
            resume=resume,
        )
        return model

    straight = fit()
    fit(SaveAt(folder / "saved", epoch=2, batch=batch))
    return straight, fit(resume=folder / "saved")


def timeless(model: Model) -> list[dict[str, float]]:
    return [dict(record.metrics, train_seconds=0) for record in model.history]


def spread(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return outputs.std()


METRICS = ["accuracy", "f1", "f1_macro", spread]


@pytest.mark.row("RP2")
def test_an_epochs_metrics_are_exact_when_predictions_were_folded_before_the_stop(
    pair: Pair, network: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradfleet.training.metrics.meter._KEPT_NUMBERS", 1)
    straight, resumed = straight_and_resumed(MID_EPOCH_SOURCES["tensors"], pair, network, tmp_path, batch=3)
    assert timeless(resumed) == timeless(straight)


@pytest.mark.row("TP5")
def test_a_checkpoint_holds_everything(pair: Pair, network: Make, tmp_path: Path) -> None:
    model = Model(network()).compile(learning_rate=0.01, schedule="one_cycle", precision="fp16", metrics=["accuracy"])
    model.fit(
        pair, pair, epochs=3, batch_size=16, seed=4, callbacks=[EarlyStopping(), SaveAt(tmp_path / "saved", 2, 3)]
    )

    files = read_files(tmp_path / "saved")
    told = json.loads(files["model.json"])
    state = torch.load(io.BytesIO(files["training.pt"]), weights_only=True)

    assert set(files) == {"model.json", "training.pt", "weights.safetensors"}
    assert (told["epoch"], len(told["history"])) == (1, 1)
    assert (told["settings"]["schedule"], told["settings"]["learning_rate"]) == ("one_cycle", 0.01)
    assert set(state) == {"optimizers", "scaler", "fit"}
    assert state["optimizers"]["network"]["state"][0]["step"] > 0
    assert state["scaler"]["scale"] > 0
    fit = state["fit"]
    assert set(fit) == {"seed", "first_epoch", "schedules", "batches", "callbacks", "position", "micro_batch"}
    assert fit["seed"] == 4
    assert set(fit["schedules"]) == {"network"}
    assert fit["callbacks"]["EarlyStopping.0"]["bests"][0]["epoch"] == 1
    assert (fit["position"]["epoch"], fit["position"]["batches"]) == (2, 3)
    assert set(fit["position"]["generators"]) == {"python", "numpy", "torch", "cuda"}
    assert len(fit["position"]["meter"]["losses"]) == 3
