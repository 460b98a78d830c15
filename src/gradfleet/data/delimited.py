"""CSV and TSV files, compressed or not: the delimiter is found out, and said where it is unusual."""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec
import pandas

from gradfleet.data.encodings import IN_PYTHON, encoding_of
from gradfleet.errors import DataError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_HEAD = 2**18  # characters that the delimiter is found out from
_NO_DELIMITER = "\x1f"  # between cells where there is one a line, so that commas belong to texts
_QUOTE_IT = 'Put texts that hold the delimiter between quotes ("")'


def read_delimited(path: Path, *, skip_bad_lines: bool, one_column: bool = False) -> tuple[pandas.DataFrame, list[str]]:
    """Every cell as a string, empty ones as missing, and what is to be said of the file.

    Args:
        skip_bad_lines: whether lines with too many cells are left out, and listed, rather than refused.
        one_column: whether there may be one column only, for texts that are predicted have no label.

    Raises:
        DataError: an unknown encoding, too few columns, an open quote, or lines with too many cells.
    """
    encoding, said = encoding_of(path)
    delimiter = _delimiter(path, encoding, one_column=one_column)
    usual = "\t" if path.name.lower().split(".csv")[0].endswith((".tsv", ".tsv.gz")) else ","
    if delimiter not in (usual, _NO_DELIMITER):
        said.append(f"{path.name} has its cells between {_DELIMITERS[delimiter]}.")
    frame, left_out = _read(path, encoding, delimiter, skip_bad_lines=skip_bad_lines)
    return frame, [*said, *left_out]


def _delimiter(path: Path, encoding: str, *, one_column: bool) -> str:
    """The one that cuts the first records into most columns, all alike; commas where several do."""
    with fsspec.open(str(path), "rt", compression="infer", encoding=encoding, newline="") as file:
        head = file.read(_HEAD)
        whole = not file.read(1)
    if "\0" in head:
        raise DataError(f"{path} holds zero bytes, so it is no text file. {IN_PYTHON}")
    widths = {delimiter: _width(head, delimiter, whole=whole) for delimiter in _DELIMITERS}
    best = max(widths, key=lambda delimiter: widths[delimiter])
    if widths[best] < 2:
        first = head.splitlines()[0][:80] if head.strip() else ""
        if one_column and first and not set(first) & _DELIMITERS.keys():
            return _NO_DELIMITER
        if uneven := _uneven(head):
            raise DataError(f"{path} needs as many cells in each line as in the first: {uneven}. {_QUOTE_IT}.")
        raise DataError(
            f"{path} needs a header and at least two columns between commas, semicolons, tabs or vertical bars; its "
            f"first line is {first!r}."
        )
    names = Counter(next(csv.reader(io.StringIO(head, newline=""), delimiter=best)))
    if twice := [name for name, number in names.items() if number > 1]:
        raise DataError(f"Each column of {path} needs a name of its own, got {twice[0]!r} {names[twice[0]]} times.")
    return best


def _width(head: str, delimiter: str, *, whole: bool) -> int:
    """Columns of the header when hardly a record has another number of cells, else 0."""
    records = _widths(head, delimiter)
    if not whole and len(records) > 1:
        records.pop()  # cut off in its middle
    if not records:
        return 0
    alike = sum(width == records[0] for width in records) / len(records)
    return records[0] if alike >= 0.5 else 0


def _widths(head: str, delimiter: str) -> list[int]:
    """Cells of each record that has any."""
    try:
        return [len(cells) for cells in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if cells]
    except csv.Error:  # a cell of more than 128 KB: the header alone decides
        return [len(next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)))]


def _uneven(head: str) -> str | None:
    """Which row has another number of cells than the header, between what cuts that into most."""
    widths = max((_widths(head, delimiter) for delimiter in _DELIMITERS), key=lambda widths: widths[:1])
    others = [(width, row) for row, width in enumerate(widths) if width != widths[0]]
    if not others or widths[0] < 2:
        return None
    return f"the header has {widths[0]}, row {others[0][1]} has {others[0][0]}"


def _read(path: Path, encoding: str, delimiter: str, *, skip_bad_lines: bool) -> tuple[pandas.DataFrame, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = pandas.read_csv(
                path,
                sep=delimiter,
                encoding=encoding,
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                index_col=False,
                skip_blank_lines=delimiter != _NO_DELIMITER,  # with one column a blank line is a row of nothing
                on_bad_lines="warn" if skip_bad_lines else "error",
            )
        except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as problem:
            raise DataError(f"{path} {_reason(str(problem))}") from problem
    said = [str(one.message).strip() for one in caught]
    if any("loss of data" in one for one in said):
        raise DataError(f"{path} needs a name for each column: its rows have more cells than its first line.")
    return frame, list(_left_out(path.name, said))


def _reason(problem: str) -> str:
    if "EOF inside string" in problem:
        row = problem.split("row ")[-1].split()[0]
        return f'has a quote (") that is opened in row {row} and never closed. Close it, or double it within a text.'
    if "Expected" in problem:
        found = problem.split("Expected", 1)[1].strip().rstrip(".")
        return (
            f"needs as many cells in each line as in the first: expected {found}. {_QUOTE_IT}, or pass "
            'on_bad_rows="skip" to leave such lines out.'
        )
    return f"cannot be read: {problem.strip().rstrip('.')}."


def _left_out(name: str, said: Sequence[str]) -> Iterator[str]:
    skipped = [line for one in said for line in one.splitlines() if line.startswith("Skipping line")]
    if skipped:
        more = f" and {len(skipped) - 10:,} more" if len(skipped) > 10 else ""
        lines = "; ".join(line.removeprefix("Skipping ") for line in skipped[:10])
        yield f"Left out {len(skipped):,} lines of {name} with too many cells: {lines}{more}."
