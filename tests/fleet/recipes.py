"""Recipes that do to their workers what trials do to workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gradfleet.errors import ExecutionError
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Predictor, Report


@dataclass(frozen=True)
class Stillborn:
    """Ends the first processes that read it, as a host that is lost ends the workers that were starting there.

    Attributes:
        folder: gets a file a death.
        deaths: how many there are.
    """

    folder: Path
    deaths: int

    def __reduce__(self) -> tuple[Callable[..., Stillborn], tuple[Path, int]]:
        return _born, (self.folder, self.deaths)

    def run(self, plan: TrialPlan, report: Report) -> None:
        report(EpochRecord(1, {"score": 1.0}), None)

    def load(self, checkpoint: Path) -> Predictor:
        raise ExecutionError("it predicts nothing")


def _born(folder: Path, deaths: int) -> Stillborn:
    for number in range(deaths):
        with suppress(FileExistsError):
            (folder / f"death-{number}").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    return Stillborn(folder, deaths)


@dataclass(frozen=True)
class Steady:
    """Reports `x` of its config in every epoch, writes a checkpoint in each, and notes every start in a file.

    Attributes:
        log: gets a line a start: trial number, the epoch it goes on from, the process.
        seconds: of one epoch.
        company: so many processes have to be at work before any trial goes on; one may be up seconds after another.
        dies_once: the trial whose worker is killed in its second epoch, the first time.
        dies_always: the trial whose worker is killed in its second epoch, each time.
        raises: the trial that raises in its second epoch; -1 is every trial.
        hangs: the trial that waits for ever in its second epoch.
        freezes: the trial whose whole process stands still in its second epoch.
    """

    log: Path
    seconds: float = 0.0
    company: int = 1
    dies_once: int | None = None
    dies_always: int | None = None
    raises: int | None = None
    hangs: int | None = None
    freezes: int | None = None

    def run(self, plan: TrialPlan, report: Report) -> None:
        done = 0 if plan.resume is None else int(Path(plan.resume, "epoch.txt").read_text())
        with self.log.open("a") as file:
            file.write(f"{plan.number} {done} {os.getpid()}\n")
        self._await_company()
        for epoch in range(done + 1, plan.epochs + 1):
            time.sleep(self.seconds)
            if epoch == 2:
                self._misbehave(plan, first=done == 0)
            report(
                EpochRecord(epoch, {"score": float(plan.config["x"] or 0.0) * epoch, "process": os.getpid()}),
                self._checkpoint(plan, epoch),
            )

    def _misbehave(self, plan: TrialPlan, *, first: bool) -> None:
        if plan.number == self.dies_always or (plan.number == self.dies_once and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if plan.number == self.freezes:
            os.kill(os.getpid(), signal.SIGSTOP)
        if plan.number == self.hangs:
            time.sleep(600)
        if self.raises in (plan.number, -1):
            raise ArithmeticError(f"trial {plan.number} diverged")

    def _await_company(self) -> None:
        deadline = time.monotonic() + 60
        while len({process for *_, process in self._lines()}) < self.company:
            assert time.monotonic() < deadline, "no second worker came"
            time.sleep(0.01)

    @staticmethod
    def _checkpoint(plan: TrialPlan, epoch: int) -> str:
        folder = Path(plan.checkpoints or "", f"epoch-{epoch:04d}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "epoch.txt").write_text(str(epoch))
        return str(folder)

    def load(self, checkpoint: Path) -> Predictor:
        raise ExecutionError("it predicts nothing")

    @property
    def starts(self) -> list[tuple[int, int]]:
        """Every start so far: the trial's number and the epoch it went on from."""
        return [(int(number), int(done)) for number, done, _ in self._lines()]

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in self.log.read_text().splitlines()]
