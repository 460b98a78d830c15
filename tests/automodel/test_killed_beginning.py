"""A study whose maker was killed before its recipe was kept gets it from whoever goes on with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Float, Objective, Study


def train(config: dict[str, Any], report: Any) -> None:
    report({"score": float(config["x"])})


def test_a_recipe_that_is_not_there_yet_is_kept_by_the_next_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    model.fit(trials=1, cluster="inline", name="begun", progress=False)
    shutil.rmtree(tmp_path / "gradfleet-artifacts" / "begun" / "recipe")
    model.fit(trials=2, cluster="inline", name="begun", resume=True, progress=False)
    assert Study.attach("begun", trust_recipe=True).recipe.train({"x": 1.0}, lambda metrics: None) is None
