"""What a service keeps in memory."""

from __future__ import annotations

import threading
import time

import pytest

from gradfleet.service import recent
from gradfleet.service.recent import Drawn, Recent


def test_the_one_that_was_asked_longest_ago_goes_first() -> None:
    made: list[str] = []
    kept = Recent[None](2)
    for key in ("a", "b", "a", "c", "a", "b"):
        kept.get(key, lambda key=key: made.append(key))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


def test_what_takes_long_to_make_is_made_once_and_holds_up_nobody_else() -> None:
    kept, begun, go_on = Recent[str](4), threading.Event(), threading.Event()
    made: list[str] = []

    def slow() -> str:
        begun.set()
        assert go_on.wait(10)
        return "slow"

    threads = [threading.Thread(target=lambda: made.append(kept.get("slow", slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    assert kept.get("quick", lambda: "quick") == "quick"
    go_on.set()
    for thread in threads:
        thread.join()
    assert made == ["slow"] * 3


def test_what_could_not_be_made_is_tried_again() -> None:
    kept = Recent[int](1)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 2) == 2


def test_a_drawing_is_drawn_anew_for_what_is_new_but_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, drawings = Drawn(), iter((b"one", b"two", b"three"))

    def draw() -> bytes:
        return next(drawings)

    assert drawn.get(1, draw) == drawn.get(1, draw) == b"one"
    assert drawn.get(2, draw) == b"one"
    monkeypatch.setattr(recent, "_AT_MOST_EVERY", 0.05)
    time.sleep(0.1)
    assert drawn.get(1, draw) == b"one"
    assert drawn.get(2, draw) == b"two"
