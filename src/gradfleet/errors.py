"""Every error that gradfleet raises on purpose.

GradfleetError
├── SettingError (ValueError)      what was asked for cannot be; `problems` lists every reason
│   ├── SpaceError                 a search space or a dimension of it
│   ├── DataError                  a file, row, column or split
│   ├── StudyMismatchError         a study of that name was made from something else
│   └── ConflictError              it cannot be as things stand now
├── CheckpointError                a checkpoint is damaged or belongs to another network
├── DivergedError                  the loss of a fit is no number any more
├── TooLargeError                  a network that memory does not hold, not even with one row at a time
├── ExportError                    a model cannot be exported so, or the export does not give its score
├── ExecutionError                 a recipe cannot cross to a worker, or cannot be loaded back
│   └── DriverFailedError          the job of a sweep has ended on its cluster before its time
├── NoUsableTrialError             the search ended and no trial has a result
├── NotFoundError (LookupError)    no study, trial or task of that name
├── StoreError                     the store does not answer or refuses
│   ├── LeaseHeldError             another living driver holds the study
│   ├── LeaseLostError             another driver has taken the study over; this one must end
│   └── NoSpaceError               the disk of the store or the artifacts is full
└── ClusterError                   no Ray cluster, or not enough of one
    └── AccessError                it asks for a token, or refuses the one that it got

TrialStopped (BaseException)       raised by `report` when the trial must end now
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class GradfleetError(Exception):
    """The root: catch it to catch everything that gradfleet raises on purpose."""


class Line(str):
    """A line among problems that is not one more: advice on those above it, or a number of further ones.

    Attributes:
        amount: of problems that it stands for.
    """

    amount: int

    def __new__(cls, text: str, amount: int = 0) -> Line:
        line = super().__new__(cls, text)
        line.amount = amount
        return line


class SettingError(GradfleetError, ValueError):
    """One or more settings that cannot be; nothing was started.

    Args:
        problems: one sentence a problem, each saying what is needed, what came and the next step; a `Line` of advice
            may follow them.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(self._text())

    def _text(self) -> str:
        amounts = [problem.amount if isinstance(problem, Line) else 1 for problem in self.problems]
        if sum(amounts) == 1:
            return " ".join(self.problems)
        lines = [f"- {problem}" if amount else problem for problem, amount in zip(self.problems, amounts, strict=True)]
        return "\n".join([f"{sum(amounts):,} problems:", *lines])

    def __reduce__(self) -> tuple[type[SettingError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class SpaceError(SettingError):
    """A search space, or a dimension of it, that cannot be searched."""


class DataError(SettingError):
    """Data that cannot be learned from; the file, row or column is named."""


class StudyMismatchError(SettingError):
    """A study of this name exists and was made from another space, data or objective."""


class ConflictError(SettingError):
    """What was asked for cannot be as things stand now: a name is taken, or a sweep is in another state."""


class CheckpointError(GradfleetError):
    """A checkpoint folder that is damaged, incomplete or made by another network."""


class DivergedError(GradfleetError):
    """The loss became NaN or infinite, and somebody asked to stop there."""


class TooLargeError(GradfleetError):
    """Memory ran out and cannot be saved by taking fewer rows at once."""


class ExecutionError(GradfleetError):
    """A recipe that cannot be sent to a worker, or be loaded back in this process."""


class DriverFailedError(ExecutionError):
    """The job that drives a sweep has ended on its cluster before its time; its last words are in the message."""


class ExportError(GradfleetError):
    """A model that a format cannot hold, or an export that does not give the score that was recorded."""


class NoUsableTrialError(GradfleetError):
    """No trial of the study has a result; the most frequent cause is in the message."""


class NotFoundError(GradfleetError, LookupError):
    """No study, trial or task of that name."""


class StoreError(GradfleetError):
    """The store cannot be opened, read or written."""


class LeaseHeldError(StoreError):
    """Another living driver holds this study; the message says which and since when."""


class LeaseLostError(StoreError):
    """The lease went to another driver: nothing was written, and this driver must end."""


class NoSpaceError(StoreError):
    """The disk under the store, the artifacts or a trial is full; what was recorded is kept."""


class ClusterError(GradfleetError):
    """No Ray cluster answers, or it can never give what a trial asks for."""


class AccessError(ClusterError):
    """The cluster asks for a token that was not found, or refuses the one that was."""


class TrialStopped(BaseException):
    """The trial must end now. A BaseException, so that `except Exception` in user code cannot swallow it."""


class Problems(list[str]):
    """Collects what several checks refuse, to raise all of it at once.

    Example:
        >>> problems = Problems()
        >>> with problems:
        ...     raise SettingError("epochs is at least 1, got 0.")
        >>> problems
        ['epochs is at least 1, got 0.']
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, SettingError):
            self.extend(error.problems)
            return True
        return False

    def refuse(self) -> None:
        """Raise a SettingError when there is any problem."""
        if self:
            raise SettingError(self)


def in_words(error: BaseException) -> str:
    """An error for who was not there: one of gradfleet's own as it is, any other one with its class."""
    if isinstance(error, GradfleetError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """One sentence for a name that nobody knows: `No optimizer is called 'adamm'. Did you mean 'adam'? Known: ...`"""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"No {kind} is called {name!r}.{hint} Known: {', '.join(names) or 'none'}."
