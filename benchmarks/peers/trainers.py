"""The same training by other libraries: each function trains one epoch and gives the seconds of it.

With `plain` a library gets the optimizer that all get and nothing that it does beside training: no progress bars, no
loggers, no checkpoints. Without, it is as it comes: what it shows and writes, and its own optimizer where it has one.
A library that starts anew with every fit trains two epochs, and the second one counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

Epoch = Callable[[], float]
RATE = 1e-3


def adamw(network: nn.Module, *, plain: bool) -> torch.optim.Optimizer:
    """What all get, or what torch makes of the name alone."""
    return torch.optim.AdamW(network.parameters(), lr=RATE, fused=True if plain else None)


def loader_of(data: Dataset[Any], batch_size: int) -> DataLoader[Any]:
    return DataLoader(data, batch_size=batch_size, shuffle=True)


def timed(epoch: Callable[[], object]) -> Epoch:
    def run() -> float:
        started = time.process_time()
        epoch()
        return time.process_time() - started

    return run


class Clock:
    """The processor's seconds of the latest epoch."""

    def __init__(self) -> None:
        self.seconds = self._started = 0.0

    def start(self) -> None:
        self._started = time.process_time()

    def stop(self) -> None:
        self.seconds = time.process_time() - self._started


def by_hand(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    """The loop that everybody writes."""
    loader, optimizer, criterion = loader_of(data, batch_size), adamw(network, plain=plain), nn.CrossEntropyLoss()

    def epoch() -> None:
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(network(inputs), targets)
            loss.backward()
            optimizer.step()

    return timed(epoch)


def by_accelerate(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    """As Accelerate's own quick tour writes it."""
    from accelerate import Accelerator

    accelerator, criterion = Accelerator(cpu=True), nn.CrossEntropyLoss()
    model, optimizer, loader = accelerator.prepare(network, adamw(network, plain=plain), loader_of(data, batch_size))

    def epoch() -> None:
        for inputs, targets in loader:
            with accelerator.accumulate(model):
                loss = criterion(model(inputs), targets)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()

    run = timed(epoch)

    def anew() -> float:
        Accelerator(cpu=True)  # transformers' Trainer, of this process too, resets what all Accelerators share
        return run()

    return anew


def by_ignite(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    from ignite.engine import create_supervised_trainer

    trainer = create_supervised_trainer(network, adamw(network, plain=plain), nn.CrossEntropyLoss())
    loader = loader_of(data, batch_size)
    return timed(lambda: trainer.run(loader, max_epochs=1))


def by_skorch(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    from skorch import NeuralNet

    given: dict[str, Any] = {"criterion": nn.CrossEntropyLoss, "train_split": None, "iterator_train__shuffle": True}
    if plain:
        given |= {"optimizer": torch.optim.AdamW, "optimizer__fused": True, "lr": RATE, "callbacks": "disable"}
    net = NeuralNet(network, batch_size=batch_size, max_epochs=1, device="cpu", **given).initialize()
    return timed(lambda: net.partial_fit(data, y=None))


def by_fastai(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    from fastai.basics import DataLoaders, Learner, OptimWrapper
    from fastai.data.load import DataLoader as FastLoader

    clock, given = Clock(), {}
    if not plain:
        import_module("fastai.callback.progress")  # which gives every Learner its bar, as `from fastai.vision.all` does
    else:
        given["opt_func"] = lambda parameters, **_: OptimWrapper(parameters, torch.optim.AdamW, lr=RATE, fused=True)
    loader = FastLoader(data, bs=batch_size, shuffle=True, num_workers=0)
    learner = Learner(
        DataLoaders(loader, loader), network, loss_func=nn.CrossEntropyLoss(), lr=RATE, train_bn=True, **given
    )
    learner.add_cb(_fastai_clock(clock))

    def epoch() -> float:
        learner.dls.loaders[1] = []  # nothing to validate
        with learner.no_logging() if plain else nullcontext():
            learner.fit(2)
        return clock.seconds

    return epoch


def _fastai_clock(clock: Clock) -> Any:
    from fastai.callback.core import Callback

    class Watch(Callback):
        def before_train(self) -> None:
            clock.start()

        def after_train(self) -> None:
            clock.stop()

    return Watch()


def by_lightning(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    import pytorch_lightning as lightning

    clock = Clock()

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.criterion = network, nn.CrossEntropyLoss()

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            loss: torch.Tensor = self.criterion(self.network(batch[0]), batch[1])
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return adamw(self.network, plain=plain)

    class Watch(lightning.Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            clock.start()

        def on_train_epoch_end(self, *_: Any) -> None:
            clock.stop()

    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "logger": False} if plain else {}
    loader, module, folder = loader_of(data, batch_size), Module(), tempfile.mkdtemp()

    def epoch() -> float:
        given = {"enable_model_summary": False, "accelerator": "cpu", "callbacks": [Watch()], **quiet}
        lightning.Trainer(max_epochs=2, default_root_dir=folder, **given).fit(module, loader)
        return clock.seconds

    return epoch


class _Rows(Dataset[dict[str, torch.Tensor]]):
    """Rows as the Trainer of transformers takes them."""

    def __init__(self, data: Dataset[Any]) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)  # type: ignore[arg-type]

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        inputs, targets = self._data[row]
        return {"inputs": inputs, "labels": targets}


class _WithLoss(nn.Module):
    """A network as the Trainer of transformers takes it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.criterion = network, nn.CrossEntropyLoss()

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.network(inputs)
        return {"loss": self.criterion(outputs, labels), "logits": outputs}


def by_transformers(network: nn.Module, data: Dataset[Any], batch_size: int, *, plain: bool) -> Epoch:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    clock = Clock()

    class Watch(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            clock.stop()

    quiet: dict[str, Any] = {
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "max_grad_norm": 0.0,
    }
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        per_device_train_batch_size=batch_size,
        num_train_epochs=2,
        learning_rate=RATE,
        use_cpu=True,
        report_to="none",
        **quiet if plain else {},
    )
    model, rows = _WithLoss(network), _Rows(data)

    def epoch() -> float:
        optimizers = (adamw(network, plain=True), None) if plain else (None, None)
        Trainer(model, arguments, train_dataset=rows, callbacks=[Watch()], optimizers=optimizers).train()
        return clock.seconds

    return epoch


PEERS: dict[str, Callable[..., Epoch]] = {
    "plain Accelerate": by_accelerate,
    "Ignite": by_ignite,
    "skorch": by_skorch,
    "fastai basics": by_fastai,
    "Lightning": by_lightning,
    "transformers Trainer": by_transformers,
}
