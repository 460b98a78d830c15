"""Which trials are shown, and in which order: `"value >= 0.9"`, `"optimizer = sgd"`, `"-seconds"`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas

from gradfleet.errors import Problems, SettingError, unknown_name

if TYPE_CHECKING:
    from gradfleet.trials.plan import Value

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "~": lambda cell, text: str(text).lower() in str(cell).lower(),
}
_COMPARISON = re.compile(r"\s*([\w.\-]+)\s*(<=|>=|!=|==|=|<|>|~)\s*(.*?)\s*", flags=re.DOTALL)
_NAME = re.compile(r"\s*([\w.\-]+)\s*")
_WORDS: Mapping[str, Value] = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True, slots=True)
class Condition:
    """A column of the leaderboard, compared with a value.

    Text is compared with text and numbers with numbers; what a trial does not have meets no condition but `!=`. `~`
    looks for a piece of text, in any case. Nothing of a condition is ever run as code.

    Example:
        >>> Condition.parse("value >= 0.9"), Condition.parse("starred")
        (Condition(column='value', comparison='>=', value=0.9), Condition(column='starred', comparison='=', value=True))
    """

    column: str
    comparison: str
    value: Value

    @classmethod
    def parse(cls, text: str) -> Condition:
        """From `COLUMN OPERATOR VALUE`, or a column alone that must be true.

        Raises:
            SettingError: it is neither.
        """
        if found := _COMPARISON.fullmatch(text):
            return cls(found[1], "=" if found[2] == "==" else found[2], _value(found[3]))
        if found := _NAME.fullmatch(text):
            return cls(found[1], "=", value=True)
        raise SettingError(
            f"A condition is a column, one of {' '.join(_OPERATORS)} and a value, as in 'value >= 0.9', got {text!r}."
        )

    def holds(self, cell: Any) -> bool:
        missing = cell is None or cell is pandas.NA or cell != cell
        if missing or self.value is None:
            equal = missing and self.value is None
            return equal if self.comparison == "=" else (self.comparison == "!=" and not equal)
        try:
            return bool(_OPERATORS[self.comparison](cell, self.value))
        except TypeError:  # a word against a number
            return False


def select(frame: pandas.DataFrame, where: str | Iterable[str], sort: str | Iterable[str]) -> pandas.DataFrame:
    """The rows on which every condition holds, in the asked order; equal ones stay in the order that they had.

    Args:
        where: conditions, see `Condition`.
        sort: columns, the first one first; with a minus the largest first. What has no value comes last.

    Raises:
        SettingError: with every condition that cannot be read and every column that there is not.
    """
    problems, conditions = Problems(), []
    for text in _several(where):
        with problems:
            conditions.append(_of(frame, Condition.parse(text)))
    keys = [(key.removeprefix("-"), key.startswith("-")) for key in _several(sort)]
    for name, _ in keys:
        with problems:
            _check_column(frame, name)
    problems.refuse()
    for condition in conditions:
        cells = enumerate(frame[condition.column].tolist())
        frame = frame.iloc[[place for place, cell in cells if condition.holds(cell)]]
    for name, descending in reversed(keys):
        frame = frame.sort_values(name, ascending=not descending, kind="stable", key=_comparable)
    return frame.reset_index(drop=True)


def _several(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _of(frame: pandas.DataFrame, condition: Condition) -> Condition:
    _check_column(frame, condition.column)
    return condition


def _check_column(frame: pandas.DataFrame, name: str) -> None:
    if name not in frame.columns:
        raise SettingError(unknown_name("column of the leaderboard", name, [str(column) for column in frame.columns]))


def _comparable(column: pandas.Series[Any]) -> pandas.Series[Any]:
    """Numbers as they are; a column of words, or of both, as text."""
    if pandas.api.types.is_numeric_dtype(column):
        return column
    return column.map(lambda cell: None if cell is None or cell != cell else str(cell))


def _value(text: str) -> Value:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
