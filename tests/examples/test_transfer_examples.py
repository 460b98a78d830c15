from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.conftest import Run


@pytest.mark.slow
def test_fine_tuning_learns_other_digits_from_few_images(run: Run) -> None:
    accuracies = [float(number) for number in re.findall(r"\d\.\d{3}", run("fine_tuning.py"))]

    assert len(accuracies) == 2
    assert min(accuracies) > 0.9


@pytest.mark.slow
def test_stages_train_and_go_on_from_their_folder(run: Run, tmp_path: Path) -> None:
    whole = run("stages.py")
    assert len(whole.splitlines()) == 8
    assert float(whole.split()[-1]) > 0.85
    assert run("stages.py", str(tmp_path / "run")) == whole
    assert run("stages.py", str(tmp_path / "run")) == whole  # nothing is left to do
