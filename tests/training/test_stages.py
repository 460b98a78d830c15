from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from gradfleet.errors import CheckpointError, SettingError
from gradfleet.training.callbacks import Callback, EarlyStopping
from gradfleet.training.model import Model
from gradfleet.training.networks.freezing import freeze, unfreeze
from gradfleet.training.stages import Stage, run_stages

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Watch(Callback):
    """Keeps what each epoch was trained with."""

    seen: ClassVar[list[tuple[int, str, int | None, float]]] = []

    def on_epoch_end(self, context: Any) -> None:
        optimizer = context.model.optimizers["network"]
        name, rate = type(optimizer).__name__, optimizer.param_groups[0]["lr"]
        self.seen.append((context.epoch, name, context.num_batches, rate))


def two(pair: Pair) -> list[Stage]:
    inputs, targets = pair
    first, second = {"optimizer": "sgd", "learning_rate": 0.1}, {"optimizer": "adamw", "schedule": "one_cycle"}
    return [
        Stage(
            "head",
            (inputs[:32], targets[:32]),
            pair,
            epochs=2,
            settings=first,
            batch_size=16,
            prepare=lambda model: freeze(model.network, "0"),
            callbacks=lambda: [Watch()],
        ),
        Stage(
            "all",
            pair,
            pair,
            epochs=3,
            settings=second,
            prepare=lambda model: unfreeze(model.network),
            callbacks=lambda: [Watch(), EarlyStopping(patience=9)],
        ),
    ]


def weights(model: Model) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.network.state_dict().values()])


@pytest.mark.row("TL13")
def test_each_stage_has_its_own_data_optimizer_and_epochs(
    pair: Pair, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "seen", [])
    module = network()
    first = module[0].weight.clone()  # type: ignore[index]
    model = Model(module)
    run_stages(model, two(pair)[:1])
    assert torch.equal(first, module[0].weight)  # type: ignore[index]

    history = run_stages(Model(network()), two(pair))

    assert [record.epoch for record in history] == [1, 2, 3, 4, 5]
    assert [one[:3] for one in Watch.seen[2:]] == [(1, "SGD", 2), (2, "SGD", 2), *((n, "AdamW", 3) for n in (3, 4, 5))]


@pytest.mark.row("TL13")
@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5])
def test_a_run_that_was_ended_anywhere_goes_on_in_its_stage_bit_for_bit(
    epochs: int, pair: Pair, network: Make, tmp_path: Path
) -> None:
    class EndedError(Exception):
        pass

    class Ending(Model):
        def save(self, *arguments: Any, **options: Any) -> None:
            super().save(*arguments, **options)
            if self.epoch == epochs:
                raise EndedError

    straight = Model(network(dropout=0.5))
    run_stages(straight, two(pair))
    with pytest.raises(EndedError):
        run_stages(Ending(network(dropout=0.5)), two(pair), folder=tmp_path / "run")
    resumed = Model(network(dropout=0.5))
    history = run_stages(resumed, two(pair), folder=tmp_path / "run")

    assert torch.equal(weights(resumed), weights(straight))
    assert history.values("val_loss") == straight.history.values("val_loss")


SCRIPT = """
import sys, torch
from pathlib import Path
from torch import nn
from gradfleet.training.model import Model
from gradfleet.training.callbacks import Callback
from gradfleet.training.stages import Stage, run_stages

class Say(Callback):
    priority = 99
    def on_epoch_start(self, context):
        print("begins", context.epoch, flush=True)
        if context.epoch == 5 and sys.argv[2] == "wait":
            sys.stdin.read()

torch.manual_seed(0)
torch.set_num_threads(1)
inputs = torch.randn(70, 4)
data = inputs, (inputs[:, 0] > 0).long()
stages = [
    Stage("one", data, epochs=2, settings={"optimizer": "sgd"}, callbacks=lambda: [Say()]),
    Stage("two", data, data, epochs=4, settings={"schedule": "cosine"}, callbacks=lambda: [Say()]),
]
model = Model(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)))
run_stages(model, stages, folder=Path(sys.argv[1]))
print(sum(value.double().sum() for value in model.network.state_dict().values()).item())
"""


@pytest.mark.row("TL13")
@pytest.mark.slow
def test_a_process_killed_inside_stage_two_goes_on_there(tmp_path: Path) -> None:
    def start(folder: str, mode: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / folder), mode]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    straight = start("straight", "run").communicate(timeout=120)[0].splitlines()
    killed = start("run", "wait")
    assert killed.stdout is not None
    for line in killed.stdout:
        if line == "begins 5\n":
            break
    killed.kill()
    killed.communicate(timeout=60)
    resumed = start("run", "run").communicate(timeout=120)[0].splitlines()

    assert straight[:6] == [f"begins {epoch}" for epoch in range(1, 7)]
    assert resumed == ["begins 5", "begins 6", straight[-1]]


def test_stages_that_cannot_be_are_refused(pair: Pair, network: Make, tmp_path: Path) -> None:
    stage = Stage("one", pair)
    model = Model(network())
    with pytest.raises(SettingError, match=r"stages with different names are needed, got \['one', 'one'\]"):
        run_stages(model, [stage, stage])
    with pytest.raises(SettingError, match=r"got \[\]"):
        run_stages(model, [])
    with pytest.raises(SettingError, match="The stage 'one' needs at least 1 epoch, got 0"):
        Stage("one", pair, epochs=0)
    with pytest.raises(SettingError, match="A stage needs a name"):
        Stage("", pair)
    run_stages(model, [stage], folder=tmp_path / "run")
    with pytest.raises(CheckpointError, match="of the stage 'one', and these are two, three"):
        run_stages(model, [Stage("two", pair), Stage("three", pair)], folder=tmp_path / "run")
