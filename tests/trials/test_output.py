"""What a trial prints is shown as ever, and kept as far as it is the trial's own."""
# ruff: noqa: T201

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gradfleet.training.history import EpochRecord
from gradfleet.trials.output import LEFT_OUT, MOST, kept_output, read_output


def spoken(record: EpochRecord, checkpoint: str | None = None) -> None:
    print("the sweep's own words")


def keep(address: Path | str, *words: str, goes_on: bool = False) -> str:
    with kept_output(str(address), spoken, goes_on=goes_on):
        for one in words:
            print(one)
    return read_output(str(address))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "trial-0000.txt"


def test_all_that_is_said_is_kept_but_what_report_says(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, logger = (sys.stdout, sys.stderr), logging.getLogger("tests.output")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        with kept_output(str(log), spoken) as report:
            print("one", end="-")
            sys.stderr.writelines(["two\n", "three\n"])
            report(EpochRecord(1, {}))
            logger.warning("four")
            thread = threading.Thread(target=lambda: print("five"))
            thread.start()
            thread.join()
    finally:
        logger.removeHandler(handler)
    assert (sys.stdout, sys.stderr) == before
    assert handler.stream is sys.stderr
    print("six")
    assert log.read_text() == "one-two\nthree\nfour\nfive\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("one-the sweep's own words\nfive\nsix\n", "two\nthree\nfour\n")


def test_a_handler_that_one_trial_makes_speaks_for_the_next_one_too(tmp_path: Path) -> None:
    logger = logging.getLogger("tests.output.made")
    try:
        with kept_output(str(tmp_path / "0"), spoken):
            logger.addHandler(logging.StreamHandler(sys.stdout))
            logger.error("first")
        with kept_output(str(tmp_path / "1"), spoken):
            logger.error("second")
    finally:
        logger.handlers.clear()
    assert [read_output(str(tmp_path / name)) for name in "01"] == ["first\n", "second\n"]


def test_a_handler_that_closes_its_stream_leaves_that_of_the_process_open(tmp_path: Path) -> None:
    with kept_output(str(tmp_path / "0"), spoken):
        kept = sys.stderr
    kept.close()
    assert not sys.stderr.closed


def test_nothing_said_is_nothing_written(log: Path) -> None:
    assert (keep(log), log.parent.exists()) == ("", False)
    with kept_output(None, spoken) as report:
        assert report is spoken


def test_another_attempt_writes_after_the_first_one_and_another_trial_does_not(log: Path) -> None:
    keep(log, "first")
    assert keep(log, "second", goes_on=True) == "first\nsecond\n"
    assert keep(log, goes_on=True) == "first\nsecond\n"
    assert keep(log, "another") == "another\n"


def test_the_last_of_it_is_kept(log: Path) -> None:
    kept = keep(log, "a" * MOST, "b" * 1000)
    assert len(kept) == MOST
    assert kept.startswith(LEFT_OUT + "a")
    assert kept.endswith("a\n" + "b" * 1000 + "\n")
    assert keep(log, "c", goes_on=True).count(LEFT_OUT) == 1


def test_it_is_written_while_the_trial_runs_and_a_kill_leaves_it(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    program = (
        "import time; from gradfleet.trials.output import kept_output\n"
        f"with kept_output({str(log)!r}, print):\n    print('said before'); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not log.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert log.read_text() == "said before\n"


def test_a_place_that_is_away_ends_no_trial_and_has_all_of_it_later(tmp_path: Path) -> None:
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("a file")
    log = in_the_way / "trial.txt"
    with kept_output(str(log), spoken):
        print("one")
        time.sleep(1.2)
        in_the_way.unlink()
        print("two")
    assert log.read_text() == "one\ntwo\n"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_says_what_it_wants_and_writes_nothing(log: Path) -> None:
    with kept_output(str(log), spoken):
        child = os.fork()
        if child == 0:
            print("child")
            time.sleep(1.3)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert not log.exists()
        print("parent")
    assert log.read_text() == "parent\n"


def test_bytes_that_no_text_has_are_written_as_question_marks(log: Path) -> None:
    class Stream:
        def write(self, text: str) -> int:
            return len(text)

    before: Any = sys.stdout
    sys.stdout = Stream()  # type: ignore[assignment]
    try:
        assert keep(log, "\ud800") == "?\n"
    finally:
        sys.stdout = before
