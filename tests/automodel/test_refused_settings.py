"""Settings of `fit` that cannot be: all of them are said at once, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Choice, Constraint, Float, Objective, Study
from gradfleet.errors import SettingError, SpaceError

SCORE = Objective("score", "max")


def train(config: dict[str, Any], report: Callable[..., None]) -> None:
    report({"score": config["x"]})


def fit(folder: Path, **settings: Any) -> Study:
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, SCORE)
    defaults: dict[str, Any] = {"trials": 2, "epochs": 1, "cluster": "inline", "name": "study", "progress": False}
    return model.fit(store=folder / "gradfleet.db", **{**defaults, **settings})


def raising(seed: int) -> Any:
    raise RuntimeError("no room")


def three(seed: int) -> Any:
    return 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "A seed is a whole number from 0, got -1."),
        ({"seed": "a"}, "A seed is a whole number from 0, got 'a'."),
        ({"seed": 2**63}, "A seed is a whole number from 0, got 9223372036854775808."),
        ({"sampler": three}, "A function of a seed makes an Optuna sampler, got 3 from three."),
        ({"sampler": raising}, "raising(0) makes no sampler: RuntimeError: no room"),
        ({"epochs": 2.5}, "epochs is a whole number of at least 1, got 2.5."),
        ({"epochs": "3"}, "epochs is a whole number of at least 1, got '3'."),
        ({"keep": None}, "keep is a whole number of at least 1, got None."),
        ({"give_up": True}, "give_up is a whole number of at least 1, got True."),
        ({"repeats": 1.5}, "repeats is a whole number of at least 1, got 1.5."),
        ({"target": "a"}, "target is a number, got 'a'."),
        ({"portfolio": [3]}, "Configuration 0 of the portfolio is no dict of values by name, got 3."),
        ({"portfolio": {"x": 0.5}}, "A portfolio is a list of configurations, got {'x': 0.5}."),
        ({"portfolio": 3}, "A portfolio is a list of configurations, got 3."),
        ({"resources": 3}, "What a trial takes is a value such as Resources(cpu=2), got 3."),
        ({"name": 3}, "got 3."),
    ],
)
def test_one_is_refused_with_what_came_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as refused:
        fit(tmp_path, **settings)
    assert str(refused.value).endswith(message)
    assert list(tmp_path.iterdir()) == []


def test_all_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refused:
        fit(
            tmp_path,
            trials=0,
            budget="5 parsecs",
            target="a",
            patience=0,
            epochs=0,
            sampler="tpee",
            scheduler="ashaa",
            portfolio=[{"y": 1}],
            cluster="inlin",
            name="a/b",
            seed=-1,
            keep=0,
            repeats=0,
            stall="x",
            give_up=0,
        )
    said = [
        "portfolio: No dimension is called 'y'",
        "A budget is a duration",
        "trials is",
        "patience is",
        "target is",
        "repeats is",
        "stall is a duration",
        "epochs is",
        "keep is",
        "give_up is",
        "A seed is",
        "No sampler is called 'tpee'",
        "No scheduler is called 'ashaa'",
        "No cluster is called 'inlin'",
        "A study's name",
    ]
    problems = refused.value.problems
    assert [text for text, problem in zip(said, problems, strict=True) if text not in problem] == []


def test_a_function_of_a_seed_that_makes_a_sampler_is_taken(tmp_path: Path) -> None:
    from optuna.samplers import RandomSampler

    assert len(fit(tmp_path, sampler=lambda seed: RandomSampler(seed=seed)).trials) == 2


def test_a_space_that_is_no_dimension_is_refused_with_every_name() -> None:
    with pytest.raises(SpaceError) as refused:
        AutoModel.from_function(train, {"x": (0, 1), "y": [1], "z": Float(0, 1)}, SCORE)  # type: ignore[dict-item]
    assert [problem.partition(";")[0] for problem in refused.value.problems] == [
        "'x' needs a Float, an Int or a Choice, got (0, 1)",
        "'y' needs a Float, an Int or a Choice, got [1]",
    ]


@pytest.mark.parametrize("space", [None, 3, [("x", Float(0, 1))]])
def test_what_is_no_space_at_all_is_refused(space: Any) -> None:
    with pytest.raises(SpaceError, match=r"over dimensions by name, such as .*, a SearchSpace or a Tuner; got "):
        AutoModel.from_function(train, space, SCORE)


def test_what_is_no_function_or_objective_is_refused() -> None:
    with pytest.raises(SettingError, match=r"A training function is called as train\(config, report\), got 3\."):
        AutoModel.from_function(3, {"x": Float(0, 1)}, SCORE)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"An objective is Objective\(metric, mode\) .*, got 3\."):
        AutoModel.from_function(train, {"x": Float(0, 1)}, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["", None, 3])
def test_an_objective_without_a_name_is_refused(metric: Any) -> None:
    with pytest.raises(SettingError, match=rf"An objective needs the name of a metric, .* got {metric!r}\."):
        Objective(metric, "max")


@pytest.mark.parametrize("constraints", ["score <= 3", Constraint("score", "<=", 3.0), ["score <= 3"]])
def test_a_single_constraint_needs_no_list(constraints: Any) -> None:
    model = AutoModel.from_function(train, {"x": Choice(1)}, SCORE, constraints=constraints)
    assert [str(constraint) for constraint in model.objective.constraints] == ["score <= 3"]


def test_what_is_no_constraint_is_refused() -> None:
    with pytest.raises(SettingError, match="A constraint is a metric with its limit, .* got 3"):
        AutoModel.from_function(train, {"x": Choice(1)}, SCORE, constraints=[3])  # type: ignore[list-item]
    with pytest.raises(SettingError, match="A constraint is a metric with its limit, .* got 3"):
        AutoModel.from_function(train, {"x": Choice(1)}, SCORE, constraints=3)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="A constraint is a metric with its limit"):
        Constraint("score", "<=", "a")  # type: ignore[arg-type]
