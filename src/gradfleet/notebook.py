"""The notebook that runs this process, if one does."""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from html import escape
from typing import Any

from gradfleet.errors import GradfleetError

Show = Callable[[str], object]
Look = Callable[[], tuple[str, bool]]
"""How something stands, as HTML, and whether it has ended."""

_LOOK_EVERY = 2.0  # seconds


def notebook_show() -> Show | None:
    """What shows HTML in place in the notebook that runs this; None where there is none."""
    python: Any = sys.modules.get("IPython")
    shell = python.get_ipython() if python is not None else None
    if shell is None or not hasattr(shell, "kernel"):  # no IPython, or that of a terminal
        return None
    handle = python.display.display(python.display.HTML(""), display_id=True)
    return lambda text: handle.update(python.display.HTML(text))


class LiveCell:
    """The one cell of a notebook that follows something until it has ended."""

    def __init__(self) -> None:
        self._follower: _Follower | None = None

    def follow(self, look: Look) -> bool:
        """Show it in a new cell from now on, and leave the one before as it is; False where there is no notebook."""
        show = notebook_show()
        if show is None:
            return False
        if self._follower is not None:
            self._follower.leave()
        text, ended = look()
        show(text)
        self._follower = None if ended else _Follower(look, show, text)
        return True

    def settle(self) -> None:
        """Once it has ended, return when the cell shows so."""
        if self._follower is not None:
            self._follower.settle()


class Followed(ABC):
    """What a notebook shows as one cell that follows it until it has ended."""

    __slots__ = ()

    _cell: LiveCell

    @abstractmethod
    def _look(self) -> tuple[str, bool]:
        """As `Look`."""

    def _repr_html_(self) -> str:
        return self._look()[0]

    def _ipython_display_(self) -> None:
        if not self._cell.follow(self._look):
            raise NotImplementedError  # which tells IPython to show it in another way


class _Follower:
    """The thread that keeps one cell up to date."""

    def __init__(self, look: Look, show: Show, shown: str) -> None:
        self._look, self._show, self._shown = look, show, shown
        self._wake, self._left = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="a cell that follows", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self._left = True
        self._wake.set()

    def settle(self) -> None:
        self._wake.set()
        self._thread.join(timeout=2 * _LOOK_EVERY)

    def _run(self) -> None:
        ended = False
        while not ended:
            self._wake.wait(_LOOK_EVERY)
            self._wake.clear()
            if self._left:
                return
            try:
                text, ended = self._look()
            except GradfleetError as error:
                text, ended = f"{self._shown}<p>{escape(str(error))}</p>", True
            if text != self._shown:
                self._show(text)
            self._shown = text
