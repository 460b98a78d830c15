"""Half characters: a lone surrogate, such as that of an emoji that was cut in two, is replaced where texts enter."""

from __future__ import annotations

import pandas

from gradfleet.data.problems import counted


def whole(text: str) -> str:
    """The text with U+FFFD for each half character; two halves that belong together become the character.

    Example:
        >>> whole("so \\ud83d good \\ud83d\\ude00")
        'so \ufffd good \U0001f600'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole_texts(frame: pandas.DataFrame) -> tuple[pandas.DataFrame, list[str]]:
    """The frame with no half character in its cells, and what is to be said where there were some."""
    mended, said = frame.copy(deep=False), list[str]()
    for name in frame.columns:
        cells = frame[name].tolist() if _may_hold(frame[name]) else []
        new = [whole(cell) if isinstance(cell, str) else cell for cell in cells]
        if rows := sum(isinstance(cell, str) and one != cell for one, cell in zip(new, cells, strict=True)):
            mended[name] = pandas.Series(new, frame.index, dtype=frame[name].dtype)
            said.append(f"In {counted(rows, 'row')} {name!r} has half a character, which is read as \ufffd.")
    return (mended if said else frame), said


def _may_hold(column: pandas.Series) -> bool:
    """Whether it holds strings, and such as may have half characters."""
    return column.dtype == object or (
        isinstance(column.dtype, pandas.StringDtype) and column.dtype.storage != "pyarrow"
    )
