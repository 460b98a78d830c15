"""`strategy="fsdp"`: two processes hold half of the weights each, and give what one process gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.model import Model
from tests.training.launching import launched
from tests.training.sharded import PAIR, make, weights

SCRIPT = Path(__file__).with_name("sharded.py")
KEPT = ("straight", "after-1", "after-2", "resumed", "averaged", "plain", "kept/last")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each strategy's two processes have left what they found and saved."""
    found = {strategy: tmp_path_factory.mktemp(strategy) / "out" for strategy in ("ddp", "fsdp")}
    for strategy, out in found.items():
        launched(SCRIPT, out, strategy, processes=2)
    return found


def found_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(out.glob("found-*.json"))]


@pytest.mark.slow
@pytest.mark.row("DI7")
def test_fsdp_ends_with_the_weights_and_metrics_of_ddp(places: Any) -> None:
    for kept in KEPT:
        one, other = (weights(places[strategy] / kept) for strategy in ("ddp", "fsdp"))
        assert one.keys() == other.keys()
        for name in one:
            assert torch.allclose(one[name], other[name], atol=1e-5), (kept, name)
    both, sharded = found_in(places["ddp"]), found_in(places["fsdp"])
    assert sharded[0]["history"] == sharded[1]["history"]
    for record, expected in zip(sharded[0]["history"], both[0]["history"], strict=True):
        assert record == pytest.approx(expected, abs=1e-4)
    assert sharded[1]["evaluation"] == pytest.approx(both[0]["evaluation"], abs=1e-4)


@pytest.mark.slow
def test_each_process_holds_half_of_the_weights(places: Any) -> None:
    whole = sum(parameter.numel() for parameter in make().parameters())
    assert [one["held"] for one in found_in(places["ddp"])] == [whole, whole]
    assert [one["held"] for one in found_in(places["fsdp"])] == [whole // 2, whole // 2]


@pytest.mark.slow
@pytest.mark.row("DI7")
def test_the_checkpoint_of_fsdp_is_a_whole_one_that_one_process_loads_and_goes_on_from(
    places: Any, tmp_path: Path
) -> None:
    whole, sharded = places["ddp"] / "straight", places["fsdp"] / "straight"
    assert sorted(path.name for path in sharded.iterdir()) == sorted(path.name for path in whole.iterdir())
    assert json.loads((sharded / "model.json").read_text())["networks"] == {"network": "Sequential"}
    alone = Model.load(sharded, make())
    evaluation = found_in(places["fsdp"])[0]["evaluation"]
    assert dict(alone.evaluate(PAIR)) == pytest.approx(evaluation, abs=1e-5)
    resumed = Model(make()).compile("cross_entropy", learning_rate=3e-3, strategy="fsdp")
    resumed.fit(PAIR, PAIR, epochs=5, batch_size=10, resume=sharded, progress=False)
    assert len(resumed.history) == 5


@pytest.mark.slow
def test_a_resumed_fit_of_fsdp_is_the_straight_one_bit_for_bit(places: Any) -> None:
    straight, resumed = weights(places["fsdp"] / "straight"), weights(places["fsdp"] / "resumed")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "fdsp"}, "No strategy is called 'fdsp'. Did you mean 'fsdp'? Known: ddp, fsdp."),
        ({"accumulate": 2}, "strategy='fsdp' does not go with accumulate above 1; use 'ddp'."),
        ({"precision": "fp16"}, "strategy='fsdp' does not go with precision='fp16'; use 'ddp'."),
        ({"torch_compile": True}, "strategy='fsdp' does not go with torch_compile; use 'ddp'."),
    ],
)
def test_what_fsdp_does_not_go_with_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Model(nn.Linear(2, 2)).compile("cross_entropy", **{"strategy": "fsdp", **settings})
    assert message in str(caught.value)


def test_an_optimizer_that_holds_whole_weights_is_refused() -> None:
    network = nn.Linear(2, 2)
    with pytest.raises(SettingError, match="does not go with an optimizer that is made already; use 'ddp'."):
        Model(network).compile("cross_entropy", optimizer=torch.optim.SGD(network.parameters(), 0.1), strategy="fsdp")


@pytest.mark.slow
def test_networks_that_cannot_be_sharded_are_refused_in_the_words_of_what_they_lack(tmp_path: Path) -> None:
    out = tmp_path / "out"
    launched(Path(__file__).with_name("not_sharded.py"), out, processes=2)
    for said in (json.loads(file.read_text()) for file in out.glob("said-*.json")):
        assert said == {
            "two": "strategy='fsdp' is for a model of one network, got a, b; use 'ddp'.",
            "lazy": (
                "strategy='fsdp' needs weights whose shapes are known, and weight, bias waits for the first batch. "
                "Give its layer the size of its inputs, or use 'ddp'."
            ),
            "by hand": "A training_step that calls backward or step itself needs strategy='ddp'.",
        }
