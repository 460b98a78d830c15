"""Why trials end: what the store keeps of it, in a line each."""

from __future__ import annotations

from gradfleet.training.history import EpochRecord

OUT_OF_TIME = "The time budget ended."
NO_START = "The time budget ended before a worker had started: give more time, or cluster='inline', which starts none."
NO_TIME = "The time budget ended before its first record."
NO_RECORD = "It ended without reporting a record."


def stopped(record: EpochRecord) -> str:
    return f"The scheduler stopped it after epoch {record.epoch}."


def hung(seconds: float) -> str:
    return f"It hung: no record came for {seconds:.0f} s. Its worker was ended."


def died(times: int) -> str:
    return f"Its worker process died {times} times. It ran out of memory, or native code in it crashed."


def cut_off(reason: str, *, had: float | None) -> str:
    """`had`: seconds that it had, where those were too few."""
    return reason if had is None else f"{reason} It had {had:.0f} s; give it more time, at least as much again."


def raised(traceback: str) -> str:
    """What was raised, in one line: the first one after the last frame of a traceback."""
    lines = traceback.strip().splitlines()
    frames = [place for place, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else lines
    return next((line for line in after if not line.startswith("  ")), lines[-1])
