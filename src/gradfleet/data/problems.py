"""How many problems are told at once: the first ten by name, the rest as a count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradfleet.errors import Line

LIMIT = 10


def listed(names: Iterable[object]) -> str:
    """`'a', 'b' and 3 more`: names for the middle of a sentence."""
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:LIMIT]) + (f" and {len(quoted) - LIMIT:,} more" if len(quoted) > LIMIT else "")


def numbered(rows: Sequence[int]) -> str:
    """`3, 7 and 4 more`: rows by their numbers."""
    return ", ".join(map(str, rows[:LIMIT])) + (f" and {len(rows) - LIMIT:,} more" if len(rows) > LIMIT else "")


def shortened(problems: Sequence[str], what: str, advice: str = "") -> list[str]:
    """The first ten problems, then how many more `what` there are, then the advice once."""
    beyond = len(problems) - LIMIT
    more = [Line(f"{beyond:,} more {what}.", beyond)] if beyond > 0 else []
    return [*problems[:LIMIT], *more, *([Line(advice)] if advice else [])]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `1,797 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
