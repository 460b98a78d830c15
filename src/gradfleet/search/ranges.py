"""Dimensions of numbers: Float and Int."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from numbers import Integral, Real

from gradfleet.errors import SpaceError
from gradfleet.search.suggester import Suggester


@dataclass(frozen=True, slots=True, repr=False)
class Float:
    """Real numbers from `low` to `high`, both included.

    Attributes:
        log: draw evenly in the logarithm; for learning rates and their like.
        step: only low, low + step, low + 2 steps ...; high must be one of them. Not together with `log`.
        default: where the search starts. Without one it is the middle, in the logarithm when `log`.

    Example:
        >>> Float(0.01, 1.0, log=True).start
        0.1

    Raises:
        SpaceError: the range is reversed, empty or not finite, its width too; the step does not fit, the default is
            outside.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step", "default"):
            object.__setattr__(self, name, _as_float(name, getattr(self, name), self.low, self.high))
        _check_range("Float", self.low, self.high, log=self.log, widest=sys.float_info.max)
        if self.step is not None:
            self._check_step(self.step)
        _check_default(self, self.default)

    def _check_step(self, step: float) -> None:
        if self.log:
            raise SpaceError(f"Float takes log=True or a step, not both; got step={step}.")
        _check_grid(
            "Float", self.low, self.high, step, whole=_near_whole((self.high - self.low) / step if step else 0.0)
        )

    @property
    def start(self) -> float:
        """The default, else the middle."""
        if self.default is not None:
            return self.default
        if self.log:
            return math.sqrt(self.low) * math.sqrt(self.high)
        middle = self.low + (self.high - self.low) / 2
        return middle if self.step is None else _last_step(self.low, middle, self.step)

    def problem(self, value: object) -> str | None:
        """Why `value` is none of this dimension; None when it is one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"needs a number, got {value!r}"
        if not self.low <= value <= self.high:
            return f"needs a number from {self.low} to {self.high}, got {value}"
        if self.step is not None and not _near_whole((value - self.low) / self.step):
            return f"needs {self.low} plus a multiple of {self.step}, got {value}"
        return None

    def __repr__(self) -> str:
        return _short(self, step=None)

    def suggest(self, trial: Suggester, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)


@dataclass(frozen=True, slots=True, repr=False)
class Int:
    """Whole numbers from `low` to `high`, both included.

    Attributes:
        log: draw evenly in the logarithm; for widths and batch sizes.
        step: only low, low + step, low + 2 steps ...; high must be one of them. Only 1 together with `log`.
        default: where the search starts. Without one it is the middle, in the logarithm when `log`.

    Example:
        >>> Int(16, 256, log=True).start, Int(0, 10, step=5).start
        (64, 5)

    Raises:
        SpaceError: the range is reversed, empty, not whole or wider than 64 bits, the step does not fit, the default is
            outside.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1
    default: int | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step", "default"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral | None):
                raise SpaceError(f"Int needs whole numbers, got {name}={value!r}; Float takes real ones.")
            object.__setattr__(self, name, None if value is None else int(value))  # NumPy's too
        _check_range("Int", self.low, self.high, log=self.log, widest=2**63 - 1)
        if self.log and self.step != 1:
            raise SpaceError(f"Int takes log=True or a step, not both; got step={self.step}.")
        _check_grid(
            "Int", self.low, self.high, self.step, whole=self.step > 0 and not (self.high - self.low) % self.step
        )
        _check_default(self, self.default)

    @property
    def start(self) -> int:
        """The default, else the middle."""
        if self.default is not None:
            return self.default
        if self.log:
            return round(math.sqrt(self.low) * math.sqrt(self.high))
        return self.low + (self.high - self.low) // 2 // self.step * self.step

    def problem(self, value: object) -> str | None:
        """Why `value` is none of this dimension; None when it is one."""
        if isinstance(value, bool) or not isinstance(value, int):
            return f"needs a whole number, got {value!r}"
        if not self.low <= value <= self.high:
            return f"needs a whole number from {self.low} to {self.high}, got {value}"
        if (value - self.low) % self.step:
            return f"needs {self.low} plus a multiple of {self.step}, got {value}"
        return None

    def __repr__(self) -> str:
        return _short(self, step=1)

    def suggest(self, trial: Suggester, name: str) -> int:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)


def _short(dimension: Float | Int, *, step: int | None) -> str:
    """As one would write it: without what is not said. `step` is what an unsaid one is."""
    unsaid = {"log": False, "step": step, "default": None}
    said = [f"{name}={getattr(dimension, name)}" for name, value in unsaid.items() if getattr(dimension, name) != value]
    return f"{type(dimension).__name__}({', '.join([str(dimension.low), str(dimension.high), *said])})"


def _as_float(name: str, value: object, low: object, high: object) -> float | None:
    if value is None and name in ("step", "default"):
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise SpaceError(f"Float needs finite numbers, got {name}={value!r} with low={low!r} and high={high!r}.")
    return float(value)


def _check_range(kind: str, low: float, high: float, *, log: bool, widest: float) -> None:
    if not low < high:
        raise SpaceError(
            f"{kind} needs low < high, got low={low} and high={high}; a constant is a Choice of one value."
        )
    if log and low <= 0:
        raise SpaceError(f"{kind} with log=True needs low > 0, got low={low}.")
    if high - low > widest:
        raise SpaceError(f"{kind} needs a range of at most {widest:g}, got low={low} and high={high}.")


def _check_grid(kind: str, low: float, high: float, step: float, *, whole: bool) -> None:
    if step <= 0:
        raise SpaceError(f"{kind} needs a step above zero, got step={step}.")
    if not whole:
        last = _last_step(low, high, step)
        way_out = f"use {_plain(last)}" if last > low else f"use a step of at most {high - low}"
        raise SpaceError(f"{kind} needs a high that its steps of {step} from {low} reach, got high={high}; {way_out}.")


def _check_default(dimension: Float | Int, default: float | None) -> None:
    problem = None if default is None else dimension.problem(default)
    if problem:
        raise SpaceError(f"The default of {dimension!r} {problem}.")


def _last_step(low: float, high: float, step: float) -> float:
    """The largest number up to `high` that steps from `low` reach."""
    return low + math.floor((high - low) / step + 1e-9) * step


def _plain(number: float) -> float:
    """Without what adding up steps has left behind."""
    return number if isinstance(number, int) else float(f"{number:.12g}")


def _near_whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) < 1e-8 * max(1.0, abs(ratio))
