"""A disk that is full: a fault of the place, which no other trial would be spared."""

from __future__ import annotations

import errno

from gradfleet.errors import NoSpaceError

WHAT_NEXT = "What was recorded is kept: make space, then go on with resume=True."

FULL = (errno.ENOSPC, errno.EDQUOT)


def no_space(error: BaseException) -> NoSpaceError | None:
    """The error to end a sweep with when `error`, or what caused it, is a disk or a quota that is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NoSpaceError):
            return cause
        if isinstance(cause, OSError) and cause.errno in FULL:
            full = cause.filename2 or cause.filename  # of a copy, the second is where it was to go
            where = f" at {full}" if full else ""
            return NoSpaceError(f"No space is left{where} ({cause.strerror}). {WHAT_NEXT}")
        cause = cause.__cause__ or cause.__context__
    return None
