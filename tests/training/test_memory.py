from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import TooLargeError
from gradfleet.training.batches.memory import MicroBatch
from gradfleet.training.model import Model
from gradfleet.training.step import Step

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]

RAN_OUT = "ignore:Memory ran out:RuntimeWarning"


class Room(torch.autograd.Function):
    """Passes values on, and has no memory for more rows than so many, forward or backward."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor, forward: int, backward: int) -> torch.Tensor:
        context.room = backward
        if len(values) > forward:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> Any:
        if len(gradients[0]) > context.room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")
        return gradients[0], None, None


class Tight(nn.Module):
    """A network on a device that is too small for many rows."""

    def __init__(self, inner: nn.Module, *, forward: int = 999, backward: int = 999) -> None:
        super().__init__()
        self.inner, self.room = inner, (forward, backward)
        self.sizes: list[int] = []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = Room.apply(self.inner(inputs), *self.room)
        self.sizes.append(len(inputs))
        return outputs


def weights_of(model: Model) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in model.network.parameters()])


def fitted(network: nn.Module, pair: Pair, model: type[Model] = Model, **given: Any) -> Model:
    made = model(network).compile("cross_entropy", optimizer="adam", learning_rate=0.01, **given)
    made.fit(pair, (pair[0][:33], pair[1][:33]), epochs=3, batch_size=32)
    return made


@pytest.mark.row("SE15")
@pytest.mark.filterwarnings(RAN_OUT)
@pytest.mark.parametrize("room", [{"forward": 10}, {"backward": 10}])
def test_a_step_out_of_memory_runs_again_in_parts_with_the_same_result(
    room: dict[str, int], pair: Pair, network: Make
) -> None:
    roomy, tight = fitted(network(), pair), fitted(Tight(network(), **room), pair)

    assert tight.micro_batch.rows == 8
    assert (weights_of(roomy) - weights_of(tight)).abs().max() < 1e-6
    for one, other in zip(roomy.history, tight.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], abs=1e-6)
        assert (other["train_accuracy"], other["val_accuracy"]) == (one["train_accuracy"], one["val_accuracy"])
        assert other["micro_batch"] == 8.0
        assert "micro_batch" not in one.metrics
    assert tight.optimizers["network"].state_dict()["state"][0]["step"].item() == 9  # one a batch


def test_what_was_learned_of_memory_is_said_and_kept(pair: Pair, network: Make, tmp_path: Path) -> None:
    tight = Tight(network(), backward=10)
    model = Model(tight).compile()
    with pytest.warns(RuntimeWarning) as said:
        model.fit(pair, epochs=1, batch_size=32)
    assert [str(one.message)[:70] for one in said] == [
        "Memory ran out with 32 rows at once. From now on at most 16 go through",
        "Memory ran out with 16 rows at once. From now on at most 8 go through ",
    ]
    tight.sizes.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(pair, epochs=1, batch_size=32)
    assert tight.sizes == [8, 8, 8, 8, 8, 8, 8, 8, 6]

    model.save(tmp_path / "checkpoint")
    resumed = Model(Tight(network(), backward=10)).compile()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed.fit(pair, epochs=3, batch_size=32, resume=tmp_path / "checkpoint")
    assert resumed.micro_batch.rows == 8


@pytest.mark.filterwarnings(RAN_OUT)
def test_validation_and_prediction_out_of_memory_take_fewer_rows_at_once(pair: Pair, network: Make) -> None:
    class Learning(Tight):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.room = (999, 999) if self.training else (10, 999)
            return super().forward(inputs)

    roomy, tight = fitted(network(), pair), fitted(Learning(network()), pair)

    assert (tight.micro_batch.rows, tight.inference_batch.rows) == (None, 8)
    assert tight.history[-1]["val_loss"] == pytest.approx(roomy.history[-1]["val_loss"], abs=1e-6)
    assert tight.evaluate(pair)["accuracy"] == roomy.evaluate(pair)["accuracy"]
    assert torch.allclose(tight.predict(pair), roomy.predict(pair), atol=1e-6)


@pytest.mark.filterwarnings(RAN_OUT)
def test_what_a_failed_attempt_has_logged_is_forgotten(pair: Pair, network: Make) -> None:
    class Counting(Model):
        def training_step(self, batch: Any) -> Step:
            self.log("rows", float(len(batch[0])), reduce="sum")
            step = super().training_step(batch)
            assert isinstance(step, Step)
            return step

    model = fitted(Tight(network(), backward=10), pair, Counting)

    assert [record["train_rows"] for record in model.history] == [70.0] * 3
    assert model.history[0]["train_loss"] < 1.0


@pytest.mark.filterwarnings(RAN_OUT)
def test_parts_that_were_asked_for_become_smaller_too(pair: Pair, network: Make) -> None:
    tight = Tight(network(), forward=4)

    model = fitted(tight, pair, accumulate=2)

    assert model.micro_batch.rows == 4
    assert (weights_of(model) - weights_of(fitted(network(), pair))).abs().max() < 1e-6


@pytest.mark.row("SE15")
@pytest.mark.filterwarnings(RAN_OUT)
def test_one_row_that_does_not_fit_fails_as_such(pair: Pair, network: Make) -> None:
    model = Model(Tight(network(), forward=0)).compile()

    with pytest.raises(TooLargeError, match="Memory runs out with a single row at a time too; take a smaller network"):
        model.fit(pair, epochs=1)


@pytest.mark.parametrize("first", ["forward", "backward"])
@pytest.mark.filterwarnings(RAN_OUT)
def test_a_step_by_hand_is_not_run_again_in_parts(first: str, pair: Pair, network: Make) -> None:
    class ByHand(Model):
        def training_step(self, batch: Any) -> None:
            loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
            self.backward(loss)
            self.step()

    model = ByHand(Tight(network(), **{first: 10})).compile()

    with pytest.raises(TooLargeError, match="Memory ran out in a training_step that calls backward or step itself"):
        model.fit(pair, epochs=1)
    assert torch.equal(weights_of(model), weights_of(Model(network())))


def test_an_error_that_is_not_about_memory_is_left_alone() -> None:
    def fail(rows: Any, share: float) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        MicroBatch().run(torch.ones(4), fail)


_LIMITED = """
import resource, sys, warnings
import torch
from torch import nn
from gradfleet.training.model import Model
warnings.simplefilter("ignore", RuntimeWarning)
torch.set_num_threads(1)
torch.manual_seed(0)
# 512 rows keep about 160 MB for the backward pass.
wide = [layer for _ in range(4) for layer in (nn.Linear(8, 10_000), nn.ReLU(), nn.Linear(10_000, 8))]
network = nn.Sequential(*wide, nn.Linear(8, 2))
model = Model(network).compile("cross_entropy", optimizer="sgd", learning_rate=0.001, metrics=[])
inputs = torch.randn(512, 8)
data = inputs, (inputs[:, 0] > 0).long()
model.fit((inputs[:8], data[1][:8]), epochs=1)
if sys.argv[1] == "limited":
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 80 * 2**20,) * 2)
model.fit(data, epochs=1, batch_size=512)
print(model.micro_batch.rows, sum(float(one.double().sum()) for one in network.parameters()))
"""


@pytest.mark.row("SE15")
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
def test_a_process_whose_memory_really_ends_trains_on() -> None:
    def trained(how: str) -> tuple[str, float]:
        done = subprocess.run([sys.executable, "-c", _LIMITED, how], capture_output=True, text=True, check=True)
        rows, total = done.stdout.split()
        return rows, float(total)

    (whole, straight), (rows, recovered) = trained("free"), trained("limited")

    assert whole == "None"
    assert 1 <= int(rows) <= 256
    assert recovered == pytest.approx(straight, rel=1e-4)
