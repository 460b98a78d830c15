"""How a command ends: the one place that turns errors into exit codes and lines for people."""

from __future__ import annotations

import re

from gradfleet.errors import (
    AccessError,
    CheckpointError,
    ClusterError,
    DivergedError,
    DriverFailedError,
    ExecutionError,
    ExportError,
    GradfleetError,
    NotFoundError,
    NoUsableTrialError,
    SettingError,
    StoreError,
    TooLargeError,
)

DONE = 0
NO_RESULT = 1
USAGE = 2
OUT_OF_REACH = 3
NOT_AUTHORISED = 4
NOT_FOUND = 5
TARGET_MISSED = 6
INTERRUPTED = 130

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (NoUsableTrialError, NO_RESULT),
    (CheckpointError, NO_RESULT),
    (DivergedError, NO_RESULT),
    (TooLargeError, NO_RESULT),
    (ExportError, NO_RESULT),
    (DriverFailedError, NO_RESULT),
    (SettingError, USAGE),
    (ExecutionError, USAGE),
    (NotFoundError, NOT_FOUND),
    (StoreError, OUT_OF_REACH),
    (AccessError, NOT_AUTHORISED),
    (ClusterError, OUT_OF_REACH),
    (OSError, OUT_OF_REACH),
)

_FIT = re.compile(r"\bfit\(name='[^']*', resume=True\)")
_RESOURCES = re.compile(r"\bresources=Resources\(\.\.\.\)")
_COLUMNS = {"inputs": "--input-column", "target": "--target-column"}
_COLUMN = re.compile(r"""\b(inputs|target)="(\.\.\.)\"""")
_NAMES = "artifacts|cluster|extend|folds|keep|name|on_bad_rows|repeats|resume|retry_failed|store|trust_recipe"
_ARGUMENT = re.compile(rf"""(?<![\w.])({_NAMES})=(?:True\b|'([^']*)'|"([^"]*)"|(?=\W?(?:\s|$)))""")


def exit_code(error: Exception) -> int | None:
    """The code that a command ends with after this error; None for one that nobody foresaw."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), None)


def message(error: Exception) -> str:
    """The error for somebody who types options, not Python: `resume=True` is `--resume` here."""
    text = str(error)
    if not isinstance(error, GradfleetError):
        return text
    text = _FIT.sub("the command that began it and --resume", _RESOURCES.sub("--cpu and --gpu", text))
    text = _COLUMN.sub(lambda found: f"{_COLUMNS[found[1]]} {found[2]}", text)
    return _ARGUMENT.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    option = "--" + found[1].replace("_", "-")
    value = found[2] or found[3]
    return f"{option} {value}" if value else option
