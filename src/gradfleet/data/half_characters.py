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
    mended, said = dict[str, pandas.Series](), list[str]()
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind in "biufcmM" or getattr(column.dtype, "storage", "") == "pyarrow":
            continue  # no strings, or such as hold whole characters only
        cells = [whole(cell) if isinstance(cell, str) else cell for cell in column]
        if rows := sum(one is not other for one, other in zip(cells, column, strict=True)):
            mended[name] = pandas.Series(cells, column.index)
            said.append(f"In {counted(rows, 'row')} {name!r} has half a character, which is read as \ufffd.")
    return (frame.assign(**mended).infer_objects() if mended else frame), said
