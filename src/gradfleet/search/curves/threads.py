"""Linear algebra in one thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """While it lasts, numpy and scipy multiply in one thread.

    A product of a few hundred rows is not worth a second one: where trials take the cores, waiting for it took ten
    times as long as computing.
    """
    return _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries() -> ThreadpoolController:
    # To look for them takes as long as the computing does. Those of numpy and scipy are there by the first call.
    return ThreadpoolController()
