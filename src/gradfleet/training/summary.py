"""A table of a model's layers: what comes out of each, how many weights it has, and whether they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gradfleet.data.loaders import Source, make_batches, split_of
from gradfleet.errors import DataError
from gradfleet.training.inference import evaluating, first_batch
from gradfleet.training.networks.lazy import shape_lazy_layers
from gradfleet.training.state.untouched import untouched

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from gradfleet.training.model import Model

Shape = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Layer:
    """One module without modules of its own, in the order in which the network holds them.

    Attributes:
        output: the shape of what it gave, rows first; None when it was not called, or gave no tensor.
        parameters: how many numbers it learns, and how many of them are `trainable`, that is: not frozen. Weights that
            several layers share count where they come first.
    """

    name: str
    kind: str
    output: Shape
    parameters: int
    trainable: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The layers of a model; printed, it is a table.

    Example:
        >>> layer = Layer("0", "Linear", (32, 2), 10, 10)
        >>> Summary((layer,)).num_parameters
        10
    """

    layers: tuple[Layer, ...]

    @property
    def num_parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def num_trainable(self) -> int:
        return sum(layer.trainable for layer in self.layers)

    def to_frame(self) -> pandas.DataFrame:
        """One row a layer, indexed by its name: `kind`, `output`, `parameters`, `trainable`."""
        import pandas

        columns = ["kind", "output", "parameters", "trainable"]
        rows = [[getattr(layer, column) for column in columns] for layer in self.layers]
        names = pandas.Index([layer.name for layer in self.layers], name="layer")
        return pandas.DataFrame(rows, columns=columns, index=names)

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table("layer", "kind", "output", show_footer=True)
        table.add_column("parameters", justify="right", footer=f"{self.num_parameters:,}")
        table.add_column("trainable", justify="right", footer=f"{self.num_trainable:,}")
        for layer in self.layers:
            shape = " x ".join(map(str, layer.output)) if layer.output is not None else "-"
            table.add_row(layer.name, layer.kind, shape, f"{layer.parameters:,}", _trained(layer))
        return table

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=100, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get()


def summarize(model: Model, data: Source, *, batch_size: int = 32) -> Summary:
    """Show one batch to the model, in eval mode, and tell what its layers are and give.

    The model, the data's generators and all global ones are afterwards as they were.

    Args:
        data: inputs alone, or anything that `fit` takes.

    Raises:
        DataError: the data gives no batches.
    """
    batches = make_batches(split_of(data).train, batch_size=batch_size, shuffle=False, seed=0, device=model.device)
    batch = first_batch(batches)
    if batch is None:
        raise DataError("The data gives no batches to summarize a model with.")
    shape_lazy_layers(model, batches)
    shapes: dict[nn.Module, Shape] = {}
    with untouched(model), evaluating(model), _watching(model, shapes):
        model.predict_step(batch)
    return Summary(tuple(_layers(model, shapes)))


@contextmanager
def _watching(model: Model, shapes: dict[nn.Module, Shape]) -> Iterator[None]:
    def keep(module: nn.Module, _: Any, output: Any) -> None:
        shapes[module] = tuple(output.shape) if isinstance(output, torch.Tensor) else None

    with ExitStack() as hooks:
        for network in model.networks.values():
            for module in network.modules():
                hooks.callback(module.register_forward_hook(keep).remove)
        yield


def _layers(model: Model, shapes: dict[nn.Module, Shape]) -> Iterator[Layer]:
    seen: set[int] = set()
    for name, network in model.networks.items():
        for path, module in network.named_modules():
            own = [one for one in module.parameters(recurse=False) if id(one) not in seen]
            if not own and next(module.children(), None) is not None:
                continue
            seen.update(id(one) for one in own)
            full = path if len(model.networks) == 1 else f"{name}.{path}".rstrip(".")
            sizes = [(one.numel(), one.requires_grad) for one in own]
            total, trained = sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)
            yield Layer(full or type(module).__name__, type(module).__name__, shapes.get(module), total, trained)


def _trained(layer: Layer) -> str:
    if not layer.parameters:
        return "-"
    if layer.trainable in (0, layer.parameters):
        return "yes" if layer.trainable else "no"
    return f"{layer.trainable:,}"
