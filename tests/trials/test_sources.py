"""What is kept of the text of a user's own functions and classes."""

from __future__ import annotations

import sys
import types

import pytest

from gradfleet.trials.sources import digest_of, sources_of


def test_a_class_of_a_notebooks_cell_has_a_name_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = types.ModuleType("kernel")  # like a notebook's __main__, it comes from no file
    monkeypatch.setitem(sys.modules, "kernel", kernel)
    exec("class Patience:\n    pass\n", kernel.__dict__)
    assert sources_of([kernel.Patience]) == {}
    assert digest_of(kernel.Patience) == "Patience"
