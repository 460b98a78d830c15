"""A sweep file is the same search as the calls in Python that it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autotasks import AutoImageClassifier
from gradfleet import Objective, Study
from gradfleet.errors import DataError, ExecutionError, NotFoundError, SettingError
from gradfleet.goal import aim
from gradfleet.sweeps.document import Document
from gradfleet.sweeps.overrides import overridden
from gradfleet.sweeps.sweep import Sweep, checked_words
from gradfleet.sweeps.template import template
from tests.cli.conftest import write_images

RECIPE = """\
from gradfleet import AutoModel, Float, Objective

def train(config, report):
    for _ in range(2):
        report({"score": 1 - (config["x"] - 0.3) ** 2})

def parabola():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))

def number():
    return 3

def broken():
    return {}["nothing"]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def recipes(here: Path, request: pytest.FixtureRequest) -> str:
    """The name of a module in the working folder; each test has its own, because Python keeps what it imported."""
    name = f"recipes_{abs(hash(request.node.nodeid))}"
    (here / f"{name}.py").write_text(RECIPE)
    return name


def sweep(text: str) -> Sweep:
    return Sweep.of(Document.parse(text))


def sequence(study: Study) -> list[tuple[dict[str, object], float | None]]:
    return [(dict(trial.config), trial.value) for trial in study.trials]


@pytest.mark.row("SE10")
def test_a_sweep_file_gives_the_trials_that_python_gives(here: Path) -> None:
    write_images(here / "images", each=6)
    text = """\
version: 1
name: as-a-file
task: image-classification
data: images
search: {trials: 4, epochs: 1, seed: 3}
space: {architecture: mlp, batch_size: 64}
cluster: inline
"""
    of_file = sweep(text).fit(progress=False)
    classifier = AutoImageClassifier("images", seed=3)
    classifier.model.narrow({"architecture": "mlp", "batch_size": 64})
    classifier.fit(trials=4, epochs=1, cluster="inline", name="as-python", progress=False)
    assert sequence(of_file) == sequence(classifier.study)
    assert {config["architecture"] for config, _ in sequence(of_file)} == {"mlp"}


@pytest.mark.row("SE10")
def test_a_recipe_of_ones_own_is_found_by_module_and_function(here: Path, recipes: str) -> None:
    text = f"version: 1\nname: own\nrecipe: {recipes}:parabola\nsearch: {{trials: 5}}\ncluster: inline\n"
    study = sweep(text + "space: {x: {high: 0.5}}\n").fit(progress=False)
    assert len(study.trials) == 5
    assert all(trial.config["x"] <= 0.5 for trial in study.trials)  # type: ignore[operator]


def test_the_objective_of_the_file_decides(here: Path, recipes: str) -> None:
    text = f"version: 1\nname: least\nrecipe: {recipes}:parabola\nobjective: {{metric: score, mode: min}}\n"
    study = sweep(text + "search: {trials: 3}\ncluster: inline\n").fit(progress=False)
    assert study.best.value == min(trial.value for trial in study.trials if trial.value is not None)


def test_several_objectives_and_constraints_are_those_of_python(here: Path, recipes: str) -> None:
    text = f"version: 1\nrecipe: {recipes}:parabola\nconstraints: [score >= 0.5]\n"
    assert sweep(text).model.objective == aim(Objective("score", "max"), ["score >= 0.5"])
    both = "objective: [{metric: score, mode: max}, {metric: cost, mode: min}]\n"
    expected = aim([Objective("score", "max"), Objective("cost", "min")], ["score >= 0.5"])
    assert sweep(text + both).model.objective == expected
    with pytest.raises(SettingError, match="sweep.yaml:3:1: A constraint"):
        sweep(text.replace(">=", "=>"))


def test_a_study_of_the_name_goes_on_when_asked_to(here: Path, recipes: str) -> None:
    text = f"version: 1\nname: twice\nrecipe: {recipes}:parabola\ncluster: inline\n"
    sweep(text + "search: {trials: 2}\n").fit(progress=False)
    with pytest.raises(SettingError, match="'twice' is in the store .* already"):
        sweep(text + "search: {trials: 4}\n").fit(progress=False)
    assert len(sweep(text + "search: {trials: 4}\n").fit(resume=True, progress=False).trials) == 4


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        ("nowhere:make", SettingError, "sweep.yaml:2:1: No module 'nowhere' is installed or lies in .*'nowhere:make'"),
        ("{own}:parabolla", SettingError, "No function in .* is called 'parabolla'. Did you mean 'parabola'?"),
        ("{own}:number", SettingError, "returns an AutoModel, got int"),
        ("{own}:broken", ExecutionError, "(?s)cannot be imported here:\nTraceback.*KeyError: 'nothing'"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(
    here: Path, recipes: str, recipe: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sweep(f"version: 1\nrecipe: {recipe.format(own=recipes)}\n")


def test_a_recipe_whose_import_fails_shows_its_traceback(here: Path) -> None:
    (here / "needs_more.py").write_text("import not_installed_anywhere\n")
    with pytest.raises(ExecutionError, match="(?s)Traceback.*No module named 'not_installed_anywhere'"):
        sweep("version: 1\nrecipe: needs_more:make\n")


def test_a_task_data_or_search_that_cannot_be_is_refused_with_its_line(here: Path) -> None:
    write_images(here / "images")
    head = "version: 1\ntask: image-classification\ndata: images\n"
    with pytest.raises(NotFoundError, match="sweep.yaml:2:1: No task is called 'image-clasification'. Did you mean"):
        sweep("version: 1\ntask: image-clasification\ndata: images\n")
    with pytest.raises(DataError, match="sweep.yaml:3:1: There is no folder .*nowhere"):
        sweep("version: 1\ntask: image-classification\ndata: nowhere\n")
    with pytest.raises(SettingError) as caught:
        sweep(head + "search:\n  budget: soon\n  sampler: tpee\n  scheduler: ashaa\n")
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "sweep.yaml:5:3",
        "sweep.yaml:6:3",
        "sweep.yaml:7:3",
    ]
    with pytest.raises(SettingError) as caught:
        sweep(head + "space:\n  architecture: cnnn\n  batchsize: 3\n")
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == ["sweep.yaml:5:3", "sweep.yaml:6:3"]


@pytest.mark.parametrize("check", [Sweep.of, checked_words])
def test_an_option_that_the_task_does_not_have_is_refused_with_its_line(
    here: Path, check: Callable[[Document], object]
) -> None:
    write_images(here / "images")
    text = "version: 1\ntask: image-classification\ndata: images\noptions:\n  on_bad_row: skip\n"
    with pytest.raises(SettingError) as caught:
        check(overridden(Document.parse(text), ["options.seed=1"]))
    wrong, seed = caught.value.problems
    assert wrong.startswith("sweep.yaml:5:3: No option is called 'on_bad_row'. Did you mean 'on_bad_rows'? Known: ")
    assert seed.startswith("options.seed=1: No option is called 'seed'.")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("on_bad_rows: 7", "on_bad_rows needs text, got 7."),
        ("backbones: 5", "backbones needs a list, got 5."),
        ("backbones: resnet", 'backbones needs a list, got "resnet".'),
        ("backbones: [{}]", "backbones.0 needs text, got {}."),
        ("target: [1]", "target needs text, got [1]."),
    ],
)
@pytest.mark.parametrize("check", [Sweep.of, checked_words])
def test_an_option_of_another_type_is_refused_with_its_line(
    here: Path, check: Callable[[Document], object], option: str, problem: str
) -> None:
    write_images(here / "images")
    document = Document.parse(f"version: 1\ntask: image-classification\ndata: images\noptions: {{{option}}}\n")
    with pytest.raises(SettingError) as caught:
        check(document)
    (said,) = caught.value.problems
    assert re.fullmatch(rf"sweep.yaml:4:\d+: {re.escape(problem)}", said)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("name: ../x", "A study's name has up to 100 letters"),
        ("search: {target: .nan}", "target is a number, got nan"),
        ("search: {seed: -1}", "A seed is a whole number from 0, got -1"),
        ("resources: {cpu: 0}", "A trial needs some cpu or gpu, none below zero or infinite, got cpu=0"),
        ("resources: {cpu: .inf}", "A trial needs some cpu or gpu, none below zero or infinite, got cpu=inf"),
        ("resources: {gpu: .inf}", "A trial needs some cpu or gpu, none below zero or infinite, got cpu=1.0, gpu=inf"),
        ("resources: {gpu: 1.5}", "More than one gpu comes in whole devices, got gpu=1.5"),
        ("cluster: htpp://x", "No cluster is called 'htpp://x'"),
        ("constraints: [cost <==]", "A constraint is a metric with its limit, such as 'latency_ms <= 20'"),
    ],
)
def test_what_a_search_would_refuse_is_refused_with_its_line(here: Path, recipes: str, line: str, problem: str) -> None:
    document = Document.parse(f"version: 1\nrecipe: {recipes}:parabola\n{line}\n")
    for check in (Sweep.of, checked_words):
        with pytest.raises(SettingError) as caught:
            check(document)
        (said,) = caught.value.problems
        assert re.match(rf"sweep.yaml:3:\d+: {re.escape(problem)}", said)


def test_a_sampler_that_cannot_search_for_the_objectives_is_refused_with_its_line(here: Path, recipes: str) -> None:
    both = "objective: [{metric: score, mode: max}, {metric: cost, mode: min}]"
    with pytest.raises(SettingError, match="sweep.yaml:4:10: The sampler 'curves' takes one objective, got 2"):
        sweep(f"version: 1\nrecipe: {recipes}:parabola\n{both}\nsearch: {{sampler: curves}}\n")


def test_an_end_of_a_range_that_cannot_be_is_blamed_on_the_override_that_set_it(here: Path, recipes: str) -> None:
    document = Document.parse(f"version: 1\nrecipe: {recipes}:parabola\nspace:\n  x: {{low: 0.1, high: 0.5}}\n")
    with pytest.raises(SettingError, match="^space.x.low=-1: "):
        Sweep.of(overridden(document, ["space.x.low=-1"]))


def test_all_that_a_new_file_offers_may_be_used(here: Path) -> None:
    write_images(here / "images")
    space = AutoImageClassifier("images").model.space
    text = template(space=space, name="all", task="image-classification", recipe=None, data="images")
    heading, keys = text.splitlines()[:3], text.splitlines()[3:]
    assert all(line.startswith("# ") for line in heading)
    offered = [line.replace("# ", "", 1) if line.strip().startswith("# ") else line for line in keys]
    opened = sweep("\n".join(offered))
    assert opened.model.space.names == space.names
    assert (opened.spec.search.trials, opened.spec.resources.gpu, opened.spec.cluster) == (100, 0.5, "auto")
