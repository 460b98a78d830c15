"""The command line in this process, as its own tests run it."""

from __future__ import annotations

from tests.cli.conftest import run as run
