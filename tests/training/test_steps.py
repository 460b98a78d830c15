from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback
from gradfleet.training.context import Context
from gradfleet.training.listening.events import EVENTS
from gradfleet.training.model import Model
from gradfleet.training.step import Step

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Tracer(Callback):
    """Writes down every event that it hears."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        for event in EVENTS:
            setattr(self, f"on_{event}", partial(self._hear, event))

    def _hear(self, event: str, context: Context) -> None:
        self.trace.append(event)


def parameters_of(model: Model, name: str) -> torch.Tensor:
    return torch.cat([one.detach().flatten().clone() for one in model.networks[name].parameters()])


def gradients_of(model: Model, name: str) -> list[torch.Tensor | None]:
    return [None if one.grad is None else one.grad.clone() for one in model.networks[name].parameters()]


class Gan(Model):
    """Points on a line, and how the discriminator's gradients looked around the generator's step."""

    def __init__(self, **given: Any) -> None:
        torch.manual_seed(0)
        generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))
        discriminator = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        super().__init__({"generator": generator, "discriminator": discriminator}, **given)
        self.around: list[tuple[Any, Any]] = []
        self.moved: list[tuple[bool, bool]] = []

    def training_step(self, batch: Any) -> None:
        real, _ = batch
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        fake = generator(torch.randn(len(real), 2))
        before = [parameters_of(self, name) for name in ("generator", "discriminator")]

        wrong = nn.functional.softplus(discriminator(fake.detach())).mean()
        self.backward(nn.functional.softplus(-discriminator(real)).mean() + wrong)
        kept = gradients_of(self, "discriminator")
        loss = nn.functional.softplus(-discriminator(fake)).mean()
        self.backward(loss, "generator")
        self.step("generator")
        self.around.append((kept, gradients_of(self, "discriminator")))
        self.moved.append((not torch.equal(before[0], parameters_of(self, "generator")), False))
        assert torch.equal(before[1], parameters_of(self, "discriminator"))
        self.step("discriminator")
        self.moved[-1] = (self.moved[-1][0], not torch.equal(before[1], parameters_of(self, "discriminator")))
        self.log("generator_loss", loss)


@pytest.mark.row("TL2")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gan_trains_both_networks_and_the_generators_step_leaves_the_others_gradients_alone(
    precision: Any, pair: Pair
) -> None:
    gan = Gan().compile(
        optimizer={"generator": "adam", "discriminator": "sgd"},
        learning_rate={"generator": 1e-3, "discriminator": 1e-2},
        optimizer_options={"generator": {"betas": (0.5, 0.999)}},
        precision=precision,
    )

    history = gan.fit(pair, epochs=2, batch_size=32)

    assert type(gan.optimizers["generator"]) is torch.optim.Adam
    assert gan.optimizers["generator"].param_groups[0]["betas"] == (0.5, 0.999)
    assert gan.optimizers["discriminator"].param_groups[0]["lr"] == 1e-2
    assert len(gan.moved) == 6
    if precision == "fp16":  # the scale begins so high that the first steps are left out
        assert gan.moved[-1] == (True, True)
    else:
        assert set(gan.moved) == {(True, True)}
    for before, after in gan.around:
        assert all(
            one is not None and torch.equal(one.nan_to_num(), two.nan_to_num())
            for one, two in zip(before, after, strict=True)
        )
    assert len(history.values("train_generator_loss")) == 2


def test_a_step_by_hand_fires_every_event_in_order(pair: Pair) -> None:
    tracer = Tracer()

    Gan().compile().fit(pair, epochs=1, batch_size=70, callbacks=[tracer])

    by_hand = ["forward_end", "loss_end", *["backward_end", "step_end"] * 2]
    assert tracer.trace == [
        *("fit_start", "epoch_start", "batch_start"),
        *by_hand,
        *("batch_end", "train_end", "epoch_end", "fit_end"),
    ]


def test_a_network_that_has_no_optimizer_is_not_trained(pair: Pair, network: Make) -> None:
    def step(model: Model, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(
            model.networks["fixed"](batch[0]) + model.networks["learns"](batch[0]), batch[1]
        )

    model = Model({"fixed": network(), "learns": network()}, training_step=step).compile(optimizer={"learns": "sgd"})
    before = parameters_of(model, "fixed")

    model.fit(pair, epochs=1)

    assert set(model.optimizers) == {"learns"}
    assert torch.equal(parameters_of(model, "fixed"), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": {"generater": "sgd"}}, "No network is called 'generater'. Did you mean 'generator'?"),
        ({"learning_rate": {"discriminato": 0.1}}, "Did you mean 'discriminator'?"),
        ({"optimizer": {"generator": "sdg"}}, "No optimizer is called 'sdg'. Did you mean 'sgd'?"),
        ({"optimizer": {}}, "An optimizer for at least one of the networks is needed"),
        ({"optimizer": {"generator": "sgd"}, "optimizer_options": {"a": {}}}, "No network is called 'a'"),
    ],
)
def test_settings_of_several_networks_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message.replace("?", "[?]")):
        Gan().compile(**settings)


def test_a_step_that_several_networks_need_of_their_own_is_asked_for(pair: Pair, network: Make) -> None:
    def step(model: Model, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(model.networks["a"](batch[0]), batch[1])

    model = Model({"a": network(), "b": network()}, training_step=step).compile("cross_entropy")

    with pytest.raises(SettingError, match="networks a, b; .+ override training_step, and validation_step and predict"):
        model.fit(pair, pair, epochs=1)
    with pytest.raises(SettingError, match="predict_step where they are needed"):
        model.predict(pair)


def test_unknown_names_in_a_step_by_hand_are_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match="No optimizer is called 'generater'. Did you mean 'generator'"):
        Gan().compile().step("generater")
    with pytest.raises(SettingError, match="No network is called 'a'"):
        Gan().compile().backward(torch.zeros(1, requires_grad=True), "a")


@pytest.mark.row("TL3")
def test_overriding_only_backward_is_enough(pair: Pair, network: Make) -> None:
    class Doubled(Model):
        def backward(self, loss: torch.Tensor, network: str | None = None) -> None:
            super().backward(loss * 2, network)

    def step(model: Model, batch: Any) -> torch.Tensor:
        return 2 * nn.functional.cross_entropy(model.network(batch[0]), batch[1])

    models = [Doubled(network()), Model(network(), training_step=step)]
    for model in models:
        model.compile("cross_entropy", optimizer="sgd", learning_rate=0.1).fit(pair, epochs=2)

    assert torch.equal(parameters_of(models[0], "network"), parameters_of(models[1], "network"))


@pytest.mark.row("TL3")
def test_stepping_one_optimizer_every_fifth_batch_gives_100_and_20_steps(network: Make) -> None:
    class Both(Model):
        batches = 0

        def training_step(self, batch: Any) -> torch.Tensor:
            return nn.functional.cross_entropy(self.networks["a"](batch[0]) + self.networks["b"](batch[0]), batch[1])

        def optimizer_step(self) -> None:
            self.batches += 1
            self.step("a")
            if self.batches % 5 == 0:
                self.step("b")

    data = (torch.randn(100, 4), torch.randint(2, (100,)))
    model = Both({"a": network(), "b": network()}).compile(optimizer="adam")

    model.fit(data, epochs=2, batch_size=2)

    steps = {name: one.state_dict()["state"][0]["step"].item() for name, one in model.optimizers.items()}
    assert steps == {"a": 100, "b": 20}


@pytest.mark.row("TL3")
@pytest.mark.parametrize("chunks", [1, 4])
def test_truncated_back_propagation_in_k_chunks_gives_k_steps(chunks: int) -> None:
    class Truncated(Model):
        def training_step(self, batch: Any) -> Step:
            inputs, targets = batch
            hidden, total = None, 0.0
            for part, wanted in zip(inputs.chunk(chunks, 1), targets.chunk(chunks, 1), strict=True):
                outputs, hidden = self.network(part, hidden)
                loss = nn.functional.mse_loss(outputs, wanted)
                self.backward(loss)
                self.step()
                hidden, total = hidden.detach(), total + loss.detach() / chunks
            return Step(total)

    torch.manual_seed(0)
    data = (torch.randn(6, 8, 3), torch.randn(6, 8, 5))
    model = Truncated(nn.RNN(3, 5, batch_first=True)).compile("mse", optimizer="adam", learning_rate=0.01)

    history = model.fit(data, epochs=3, batch_size=2)

    assert model.optimizers["network"].state_dict()["state"][0]["step"].item() == 3 * 3 * chunks
    assert history[-1]["train_loss"] < history[0]["train_loss"]


@pytest.mark.row("TL3")
def test_an_optimizer_factory_is_accepted(pair: Pair, network: Make) -> None:
    model = Model(network()).compile(
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9), learning_rate=0.1
    )

    model.fit(pair, epochs=1)

    assert model.optimizers["network"].param_groups[0]["momentum"] == 0.9


def bandit_step(model: Model, batch: None) -> torch.Tensor:
    """REINFORCE on a bandit whose third arm pays."""
    assert batch is None
    chances = torch.distributions.Categorical(logits=model.network(torch.ones(16, 1)))
    arms = chances.sample()
    rewards = (arms == 2).float()
    model.log("reward", rewards.mean())
    return -(chances.log_prob(arms) * (rewards - rewards.mean())).mean()


BATCH = ["batch_start", "forward_end", "loss_end", "backward_end", "step_end", "batch_end"]


@pytest.mark.row("TL4")
def test_a_plain_function_without_any_data_is_the_whole_step_and_every_event_fires() -> None:
    torch.manual_seed(0)
    tracer = Tracer()
    model = Model(nn.Linear(1, 4, bias=False), training_step=bandit_step).compile(learning_rate=0.1)

    history = model.fit(epochs=10, steps_per_epoch=10, callbacks=[tracer])

    assert history[-1]["train_reward"] > 0.9 > 0.5 > history[0]["train_reward"]
    assert tracer.trace == [
        "fit_start",
        *["epoch_start", *BATCH * 10, "train_end", "epoch_end"] * 10,
        "fit_end",
    ]


@pytest.mark.row("TL4")
def test_a_function_that_knows_nothing_of_the_loop_may_do_everything_itself(pair: Pair, network: Make) -> None:
    module, tracer = network(), Tracer()
    own = torch.optim.SGD(module.parameters(), lr=0.1)

    def step(model: Model, batch: Any) -> None:
        own.zero_grad()
        nn.functional.cross_entropy(module(batch[0]), batch[1]).backward()
        own.step()

    model = Model(module, training_step=step).compile("cross_entropy")
    reference = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    model.fit(pair, epochs=1, batch_size=35, callbacks=[tracer])
    reference.fit(pair, epochs=1, batch_size=35)

    assert torch.equal(parameters_of(model, "network"), parameters_of(reference, "network"))
    assert tracer.trace[2:-3] == BATCH * 2


def test_a_fit_without_data_and_without_a_number_of_steps_is_refused(network: Make) -> None:
    with pytest.raises(SettingError, match="say how many steps an epoch has: steps_per_epoch="):
        Model(network(), training_step=bandit_step).compile().fit(epochs=1)


@pytest.mark.row("TL5")
@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_accumulating_4_times_8_rows_equals_one_batch_of_32_and_a_partial_last_one_steps(
    form: str, pair: Pair, network: Make
) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: torch.Tensor) -> Any:
            return self.inner(x)

    def batches() -> Any:
        inputs, targets = pair
        rows = [{"x": one, "labels": target} for one, target in zip(inputs, targets, strict=True)]
        return pair if form == "tuple" else torch.utils.data.DataLoader(rows, batch_size=32)  # type: ignore[arg-type]

    found = []
    for accumulate in (1, 4):
        model = Model(Named()).compile("cross_entropy", optimizer="adam", learning_rate=0.01, accumulate=accumulate)
        history = model.fit(batches(), epochs=3, batch_size=32)
        found.append((parameters_of(model, "network"), history[-1]["train_loss"], history[-1]["train_accuracy"]))
        assert model.optimizers["network"].state_dict()["state"][0]["step"].item() == 9  # 32, 32 and 6 rows

    assert (found[0][0] - found[1][0]).abs().max() < 1e-6
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-6)
    assert found[0][2] == found[1][2]


@pytest.mark.row("TL5")
def test_accumulating_needs_no_more_than_a_part_of_the_batch_at_once(pair: Pair, network: Make) -> None:
    sizes: list[int] = []
    module = network()
    module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    tracer = Tracer()

    Model(module).compile(accumulate=4).fit(pair, epochs=1, batch_size=32, callbacks=[tracer])

    assert sizes == [8, 8, 8, 8, 8, 8, 8, 8, 2, 2, 2]
    assert [tracer.trace.count(event) for event in ("batch_start", "forward_end", "step_end")] == [3, 11, 3]


def test_settings_of_the_step_are_checked(network: Make) -> None:
    with pytest.raises(SettingError) as caught:
        Model(network()).compile(accumulate=0, clip_value=-1.0)

    assert list(caught.value.problems) == [
        "A clip_value above 0 is needed, got -1.0.",
        "accumulate must be a whole number of at least 1, got 0.",
    ]


@pytest.mark.row("TL6")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("limit", [{"clip_norm": 0.01}, {"clip_value": 0.002}])
def test_gradients_are_clipped_by_norm_and_by_value_under_mixed_precision_too(
    precision: Any, limit: dict[str, float], pair: Pair, network: Make
) -> None:
    seen: list[tuple[float, float]] = []

    class Watching(Model):
        def optimizer_step(self) -> None:
            super().optimizer_step()
            gradient = torch.cat([one.grad.flatten() for one in self.network.parameters()])
            seen.append((gradient.norm().item(), gradient.abs().max().item()))

    Watching(network()).compile(precision=precision, **limit).fit(pair, epochs=1, batch_size=10)

    assert len(seen) == 7
    norm, value = (max(one[number] for one in seen) for number in (0, 1))
    if "clip_norm" in limit:
        assert 0.009 < norm <= 0.01 * (1 + 1e-4)
    else:
        assert value == pytest.approx(0.002)


@pytest.mark.row_part("ME6")
def test_what_a_step_logs_is_in_history_and_callbacks_can_follow_it(pair: Pair, network: Make) -> None:
    class Logging(Model):
        def training_step(self, batch: Any) -> Step:
            for reduce in ("mean", "sum", "min", "max", "last"):
                self.log(f"rows_{reduce}", float(len(batch[0])), reduce=reduce)  # type: ignore[arg-type]
            self.log("now", torch.tensor(len(batch[0])), on_step=True, on_epoch=False)
            return super().training_step(batch)  # type: ignore[return-value]

        def validation_step(self, batch: Any) -> Any:
            self.log("spread", batch[0].std())
            return super().validation_step(batch)

    class Seen(Callback):
        def on_batch_end(self, context: Context) -> None:
            now.append(int(context.logged["now"]))

    now: list[int] = []
    model = Logging(network()).compile()
    record = model.fit(pair, pair, epochs=1, batch_size=32, callbacks=[Seen()])[0]

    found = {name: record[f"train_rows_{name}"] for name in ("mean", "sum", "min", "max", "last")}
    assert found == pytest.approx({"mean": (32 * 32 * 2 + 36) / 70, "sum": 70, "min": 6, "max": 32, "last": 6})
    assert now == [32, 32, 6]
    assert "train_now" not in record.metrics
    parts = [(pair[0][start : start + 32].std().item(), len(pair[0][start : start + 32])) for start in (0, 32, 64)]
    assert record["val_spread"] == pytest.approx(sum(value * rows for value, rows in parts) / 70)
    assert model.evaluate(pair)["spread"] == pytest.approx(record["val_spread"])


@pytest.mark.row_part("ME6")
def test_early_stopping_follows_a_logged_value_and_an_unknown_one_lists_those_there_are(
    pair: Pair, network: Make
) -> None:
    from gradfleet.training.callbacks import EarlyStopping

    def step(model: Model, batch: Any) -> torch.Tensor:
        model.log("constant", 1.0)
        return nn.functional.cross_entropy(model.network(batch[0]), batch[1])

    def fit(monitor: str) -> Model:
        model = Model(network(), training_step=step).compile("cross_entropy")
        model.fit(pair, epochs=9, callbacks=[EarlyStopping(monitor, mode="max", patience=2)])
        return model

    assert len(fit("train_constant").history) == 3
    with pytest.raises(SettingError, match=r"'train_constand'.+train_constant"):
        fit("train_constand")


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"name": "x", "value": torch.zeros(2)}, r"one number, got a tensor of \(2,\) for 'x'"),
        ({"name": "x", "value": 1.0, "reduce": "meen"}, "Did you mean 'mean'"),
        ({"name": "loss", "value": 1.0}, "Every record has 'loss' already"),
    ],
)
def test_what_cannot_be_logged_is_refused(log: dict[str, Any], message: str, pair: Pair, network: Make) -> None:
    def step(model: Model, batch: Any) -> torch.Tensor:
        model.log(**log)
        return nn.functional.cross_entropy(model.network(batch[0]), batch[1])

    with pytest.raises(SettingError, match=message):
        Model(network(), training_step=step).compile("cross_entropy").fit(pair, epochs=1)


def test_chunks_of_a_batch_are_shown_to_callbacks_whole_at_its_end(pair: Pair, network: Make) -> None:
    class Seen(Callback):
        def on_batch_end(self, context: Context) -> None:
            shapes.append((len(context.batch[0]), len(context.outputs)))
            assert context.loss is not None
            losses.append(context.loss.item())

    shapes: list[tuple[int, int]] = []
    losses: list[float] = []
    model = Model(network()).compile(optimizer="sgd", learning_rate=1e-9, accumulate=3)
    history = model.fit(pair, epochs=1, batch_size=32, callbacks=[Seen()])

    assert shapes == [(32, 32), (32, 32), (6, 6)]
    weighted = sum(loss * rows for loss, (rows, _) in zip(losses, shapes, strict=True)) / 70
    assert history[0]["train_loss"] == pytest.approx(weighted, abs=1e-6)
    assert all(first != second for first, second in pairwise(losses))
