"""Which trials are shown, and in which order: `"value >= 0.9"`, `"optimizer = sgd"`, `"-seconds"`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
_COMPARISON = re.compile(r"\s*([^\s<>=!~].*?)\s*(<=|>=|!=|==|=|<|>|~)\s*(.*?)\s*", flags=re.DOTALL)
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
        missing = _is_missing(cell)
        if missing or self.value is None:
            equal = missing and self.value is None
            return equal if self.comparison == "=" else (self.comparison == "!=" and not equal)
        try:
            return bool(_OPERATORS[self.comparison](cell, self.value))
        except TypeError:  # a word against a number
            return False


def select(
    cells: Callable[[str], Sequence[Any]],
    columns: Collection[str],
    places: Iterable[int],
    where: str | Iterable[str],
    sort: str | Iterable[str],
) -> list[int]:
    """The places of the rows on which every condition holds, in the asked order; equal ones stay as they were.

    Args:
        cells: the cells of a column, by place.
        where: conditions, see `Condition`.
        sort: columns, the first one first; with a minus the largest first. What has no value comes last.

    Raises:
        SettingError: with every condition that cannot be read and every column that there is not; or numbers are asked
            to be more or less than a word.
    """
    problems, conditions = Problems(), []
    for text in _several(where):
        with problems:
            conditions.append(_of(columns, Condition.parse(text)))
    keys = [(key.removeprefix("-"), key.startswith("-")) for key in _several(sort)]
    for name, _ in keys:
        with problems:
            _check_column(columns, name)
    problems.refuse()
    found = list(places)
    for condition in conditions:
        column = cells(condition.column)
        _check_order(condition, column)
        found = [place for place in found if condition.holds(column[place])]
    for name, descending in reversed(keys):
        found = _ordered(found, cells(name), descending=descending)
    return found


def _several(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _of(columns: Collection[str], condition: Condition) -> Condition:
    _check_column(columns, condition.column)
    return condition


def _check_column(columns: Collection[str], name: str) -> None:
    if name not in columns:
        raise SettingError(unknown_name("column of the leaderboard", name, columns))


def _check_order(condition: Condition, column: Sequence[Any]) -> None:
    """
    Raises:
        SettingError: numbers are asked to be more or less than a word, which none ever is.
    """
    if not isinstance(condition.value, str) or condition.comparison not in ("<", "<=", ">", ">="):
        return
    there = [cell for cell in column if not _is_missing(cell)]
    if there and all(isinstance(cell, int | float) for cell in there):
        raise SettingError(
            f"{condition.column!r} has numbers and is compared with one, got {condition.value!r}. Several conditions "
            "are several texts."
        )


def _ordered(places: Sequence[int], column: Sequence[Any], *, descending: bool) -> list[int]:
    """Numbers as they are; a column of words, or of both, as text."""
    there = [place for place in places if not _is_missing(column[place])]
    numeric = all(isinstance(column[place], int | float) for place in there)
    there.sort(key=lambda place: column[place] if numeric else str(column[place]), reverse=descending)
    return [*there, *(place for place in places if _is_missing(column[place]))]


def _is_missing(cell: Any) -> bool:
    return cell is None or bool(cell != cell)


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
