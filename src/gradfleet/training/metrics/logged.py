"""Numbers that steps have logged over one pass of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import torch

from gradfleet.errors import SettingError, unknown_name

Reduction = Literal["mean", "sum", "min", "max", "last"]
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)

_COMPUTE: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": lambda values, rows: values @ rows / rows.sum(),
    "sum": lambda values, rows: values.sum(),
    "min": lambda values, rows: values.min(),
    "max": lambda values, rows: values.max(),
    "last": lambda values, rows: values[-1],
}


class Logged:
    """Values by name, kept where they are until the pass is over.

    Attributes:
        last: the latest value of each name that was logged with `on_step`.
    """

    def __init__(self) -> None:
        self.last: dict[str, torch.Tensor | float] = {}
        self._reduce: dict[str, str] = {}
        self._values: dict[str, list[torch.Tensor | float]] = {}
        self._rows: dict[str, list[int]] = {}

    def add(self, name: str, value: torch.Tensor | float, rows: int, reduce: str) -> None:
        """Take one more value in.

        Raises:
            SettingError: the value is not one number, or there is no such reduction.
        """
        if reduce not in REDUCTIONS:
            raise SettingError(unknown_name("way to reduce a logged value", reduce, REDUCTIONS))
        if self._reduce.setdefault(name, reduce) != reduce:
            raise SettingError(f"{name!r} was logged with reduce={self._reduce[name]!r} before, now with {reduce!r}.")
        if isinstance(value, torch.Tensor):
            if value.numel() != 1:
                raise SettingError(f"A logged value is one number, got a tensor of {tuple(value.shape)} for {name!r}.")
            value = value.detach()
        self._values.setdefault(name, []).append(value)
        self._rows.setdefault(name, []).append(rows)

    def mark(self) -> dict[str, int]:
        """Where this is, for `rewind`."""
        return {name: len(values) for name, values in self._values.items()} if self._values else {}

    def rewind(self, mark: Mapping[str, int]) -> None:
        """Forget what was added since `mark` gave this."""
        for name, values in self._values.items():
            del values[mark.get(name, 0) :], self._rows[name][mark.get(name, 0) :]
        for name in [name for name, values in self._values.items() if not values]:
            del self._values[name], self._rows[name], self._reduce[name]

    def numbers(self) -> dict[str, float]:
        """The reduced values; a mean is over rows."""
        return {
            name: float(_COMPUTE[reduce](_together(self._values[name]), torch.tensor(self._rows[name]).double()))
            for name, reduce in self._reduce.items()
        }

    @classmethod
    def of(cls, states: Iterable[Mapping[str, Mapping[str, Any]]]) -> Logged:
        """What several processes have logged, together."""
        together = cls()
        for state in states:
            for name, one in state.items():
                for value, rows in zip(one["values"], one["rows"], strict=True):
                    together.add(name, value, rows, one["reduce"])
        return together

    def state(self) -> dict[str, dict[str, object]]:
        """What `load_state` takes to go on in the middle of a pass."""
        return {
            name: {"reduce": reduce, "values": _together(self._values[name]), "rows": list(self._rows[name])}
            for name, reduce in self._reduce.items()
        }

    def load_state(self, state: Mapping[str, Mapping[str, object]]) -> None:
        for name, one in state.items():
            self._reduce[name] = str(one["reduce"])
            self._values[name] = list(one["values"])  # type: ignore[call-overload]  # the tensor of `state`
            self._rows[name] = list(one["rows"])  # type: ignore[call-overload]  # its list


def _together(values: list[torch.Tensor | float]) -> torch.Tensor:
    """On the CPU, in double precision: one transfer for those that lie on a device."""
    if all(isinstance(value, torch.Tensor) for value in values):
        return torch.stack([torch.as_tensor(value).reshape(()) for value in values]).double().cpu()
    return torch.tensor([float(value) for value in values], dtype=torch.float64)
