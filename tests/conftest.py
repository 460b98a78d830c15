"""What every test may use."""

from __future__ import annotations

import gc
import os
import signal

import pytest

gc.set_threshold(50_000, 20, 20)  # a tenth of the time: whatever is imported for one test stays for all
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of tests share the cores; and so does what they start

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of what a shell without job control runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else no process that a test begins could be interrupted

pytest_plugins = ["postgresql", "pytester", "rows", "s3"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run what is repeated for statistics in full length")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--soak"):
        _skip(items, "long", "takes over a minute: make soak")
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            _skip(items, "gpu", "needs a CUDA device")


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether repeated tests run in full length: `kills = 10 if soak else 3`."""
    return bool(request.config.getoption("--soak"))
