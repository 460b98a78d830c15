"""What a sweep file may say, and how what it may not is refused: by line, all at once, with the nearest name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gradfleet.errors import SettingError
from gradfleet.search.samplers import check_sampler
from gradfleet.study.schedulers.names import scheduler_options
from gradfleet.sweeps.document import Document
from gradfleet.sweeps.overrides import overridden
from gradfleet.sweeps.problems import checked
from gradfleet.sweeps.spec import RangeSpec, SweepSpec
from gradfleet.sweeps.template import json_schema
from gradfleet.tasks import available_tasks

HEAD = "version: 1\ntask: image-classification\ndata: flowers/\n"
FULL = (
    HEAD
    + """\
name: flowers
options: {on_bad_rows: skip}
objective: {metric: val_accuracy, mode: max}
search: {sampler: tpe, scheduler: asha, trials: 60, epochs: 12, budget: 30m, seed: 7}
space:
  architecture: {choices: [resnet, cnn]}
  optimizer.adamw.learning_rate: {low: 1e-5, high: 1e-2, log: true}
  batch_size: 64
  optimizer: [adamw, sgd]
  callbacks.augmentation.mirror: true
  loss: null
resources: {cpu: 2, gpu: 0.5}
store: sqlite:///gradfleet.db
artifacts: s3://bucket/flowers
cluster: auto
"""
)


def spec(text: str, *overrides: str) -> SweepSpec:
    return checked(overridden(Document.parse(text), overrides))


def test_a_full_sweep_is_read_as_it_is_written() -> None:
    read = spec(FULL)
    assert (read.search.trials, read.search.budget, read.search.seed) == (60, "30m", 7)
    assert read.resources.gpu == 0.5
    assert read.narrowing() == {
        "architecture": {"choices": ["resnet", "cnn"]},
        "optimizer.adamw.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        "batch_size": 64,
        "optimizer": {"choices": ["adamw", "sgd"]},
        "callbacks.augmentation.mirror": True,
        "loss": None,
    }


def test_what_is_not_said_is_left_to_fit() -> None:
    assert spec(HEAD).search.model_dump(exclude_none=True) == {"seed": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "serach: {}\n", "sweep.yaml:4:1: No key is called 'serach'. Did you mean 'search'?"),
        (HEAD + "search: {trails: 3}\n", "sweep.yaml:4:10: No key is called 'trails'. Did you mean 'trials'?"),
        (HEAD + "space:\n  rate: {hihg: 3}\n", "sweep.yaml:5:10: No key is called 'hihg'. Did you mean 'high'?"),
        (HEAD + "search: {trials: many}\n", 'sweep.yaml:4:10: search.trials needs a whole number, got "many"'),
        (HEAD + "search: {trials: 2.5}\n", "sweep.yaml:4:10: search.trials needs a whole number, got 2.5"),
        (HEAD + "search: {trials: true}\n", "sweep.yaml:4:10: search.trials needs a whole number, got true"),
        (HEAD + "search: {trials: 0}\n", "sweep.yaml:4:10: search.trials: .*greater than or equal to 1, got 0"),
        (HEAD + "search: 3\n", "sweep.yaml:4:1: search needs a mapping of names to values, got 3"),
        (HEAD + "name: [a]\n", r'sweep.yaml:4:1: name needs text, got \["a"\]'),
        (
            HEAD + "objective: {metric: a, mode: up}\n",
            "sweep.yaml:4:24: objective.mode: input should be 'max' or 'min'",
        ),
        (HEAD + "objective: {metric: a}\n", "sweep.yaml:4:1: objective.mode is missing"),
        (HEAD + "space: {rate: {}}\n", "sweep.yaml:4:9: space.rate needs choices, or low and high"),
        (
            HEAD + "space: {rate: {choices: [1], low: 2}}\n",
            "sweep.yaml:4:9: space.rate either choices or low, not both",
        ),
        ("task: a\ndata: b\n", "sweep.yaml: version is missing; write `version: 1`"),
        ("version: 2\ntask: a\ndata: b\n", "sweep.yaml:1:1: version: input should be 1, got 2"),
        ("version: 1\n", "sweep.yaml: A sweep needs either a task or a recipe"),
        ("version: 1\ntask: a\n", "the task 'a' needs data: a path or URL"),
        ("version: 1\nrecipe: a:b\noptions: {c: 1}\n", "options are for a task"),
        ("version: 1\nrecipe: a.b\n", "sweep.yaml:2:1: recipe: .*match pattern"),
    ],
)
def test_what_may_not_be_said_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        spec(text)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        spec(HEAD + "serach: {}\nsearch: {trials: x, epochs: 0}\nspace: {a: {lo: 1}}\n")
    assert len(caught.value.problems) == 4


def test_overrides_go_before_the_file_and_are_read_like_it() -> None:
    read = spec(
        FULL,
        "name=tulips",
        "search.trials=3",
        "search.budget=null",
        "space.optimizer.adamw.learning_rate.high=1e-3",
        "space.architecture=cnn",
        "options.on_bad_rows=raise",
    )
    assert (read.name, read.search.trials, read.search.budget) == ("tulips", 3, None)
    assert read.narrowing()["architecture"] == "cnn"
    assert read.narrowing()["optimizer.adamw.learning_rate"] == {"low": 1e-5, "high": 1e-3, "log": True}
    assert read.options == {"on_bad_rows": "raise"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.trials", "An override is KEY=VALUE, such as search.trials=40; got 'search.trials'"),
        ("=3", "An override is KEY=VALUE"),
        ("search..trials=3", "An override is KEY=VALUE"),
        ("search.trials=[", "search.trials=|expected"),
        ("search.trails=3", "search.trails=3: No key is called 'trails'"),
        ("search.trials=x", 'search.trials=x: search.trials needs a whole number, got "x"'),
        ("task.name=3", "task.name=3: 'task' is 'image-classification' in sweep.yaml"),
    ],
)
def test_a_wrong_override_is_refused_as_it_was_typed(override: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        spec(FULL, override)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = Path(__file__).parents[2] / "docs" / "sweep.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()


def test_editors_complete_the_names_of_tasks_samplers_and_schedulers() -> None:
    schema = json_schema()
    search = schema["$defs"]["SearchSpec"]["properties"]
    (tasks, samplers, schedulers) = (
        key["anyOf"][0]["enum"] for key in (schema["properties"]["task"], search["sampler"], search["scheduler"])
    )
    assert tasks == available_tasks()
    for name in samplers:
        check_sampler(name)
    assert {type(scheduler_options(name)).__name__ for name in schedulers} > {"Asha", "Hyperband", "Median", "Pasha"}
    with pytest.raises(SettingError, match=re.escape(", ".join(sorted(samplers)))):
        check_sampler("unheard of")


def test_the_schema_says_what_every_key_is_for() -> None:
    described = {**SweepSpec.model_fields, **RangeSpec.model_fields}
    without = {name for name, field in described.items() if field.description is None}
    assert without == {"search", "resources"}  # sections, whose own keys are described
