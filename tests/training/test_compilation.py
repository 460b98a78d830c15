from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


def eager(module: Any, examples: Any) -> Any:
    compiled.append(module)
    return module.forward


def broken(module: Any, examples: Any) -> Any:
    raise RuntimeError("no compiler here")


compiled: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    compiled.clear()
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.row("TL16")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_is_compiled_by_one_argument_and_trains_the_same(pair: Pair, network: Make, tmp_path: Path) -> None:
    plain = Model(network()).compile("cross_entropy")
    fast = Model(network()).compile("cross_entropy", torch_compile={"backend": eager})

    expected, found = (model.fit(pair, pair, epochs=2).values("val_loss") for model in (plain, fast))

    assert compiled
    assert found == pytest.approx(expected, rel=1e-5)
    fast.save(tmp_path / "saved")
    loaded = Model(network()).compile("cross_entropy")
    loaded.fit(pair, epochs=2, resume=tmp_path / "saved")
    assert torch.allclose(loaded.predict(pair[0]), plain.predict(pair[0]), atol=1e-5)


@pytest.mark.row("TL16")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_failure_to_compile_falls_back_with_a_warning(pair: Pair, network: Make) -> None:
    plain = Model(network()).compile("cross_entropy")
    model = Model(network()).compile("cross_entropy", torch_compile={"backend": broken})
    expected = plain.fit(pair, epochs=2).values("train_loss")

    with pytest.warns(RuntimeWarning, match="Sequential cannot be compiled, so it runs uncompiled: .*no compiler here"):
        found = model.fit(pair, epochs=2).values("train_loss")

    assert found == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_error_of_the_network_itself_is_not_taken_for_one_of_the_compiler(network: Make) -> None:
    model = Model(network()).compile("cross_entropy", torch_compile={"backend": eager})

    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        model.predict(torch.zeros(3, 5))


def test_compiling_the_model_again_without_it_undoes_it(pair: Pair, network: Make) -> None:
    model = Model(network()).compile("cross_entropy", torch_compile={"backend": broken})

    model.compile("cross_entropy").fit(pair, epochs=1)

    assert not compiled


@pytest.mark.row("TL16")
def test_images_and_weights_are_channels_last_by_one_argument() -> None:
    seen: list[bool] = []

    def make() -> nn.Module:
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 4, 3)
        convolution.register_forward_hook(
            lambda _, inputs, __: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
        )
        return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    images = torch.randn(12, 3, 8, 8), torch.randint(2, (12,))
    plain, last = (
        Model(make()).compile("cross_entropy", channels_last=chosen).fit(images, epochs=2) for chosen in (False, True)
    )

    assert seen == [False] * 2 + [True] * 2
    assert last.values("train_loss") == pytest.approx(plain.values("train_loss"), rel=1e-5)
