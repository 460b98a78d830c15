"""Bad input: one clear error before any trial starts, exit code 2, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gradfleet.study.study import Study
from tests.cli.conftest import Run, listing, write_images

FIT = ("fit", "image-classification")
QUICK = ("--cluster", "inline", "--trials", 1, "--epochs", 1)


def _nothing(folder: Path) -> None:
    """There is no folder at all."""


def _empty(folder: Path) -> None:
    folder.mkdir()


def _no_images(folder: Path) -> None:
    for label in ("cats", "dogs"):
        (folder / label).mkdir(parents=True)
        (folder / label / "notes.md").write_text("no image")


def _one_class(folder: Path) -> None:
    write_images(folder, classes=("cats",))


def _class_with_one_image(folder: Path) -> None:
    write_images(folder, classes=("cats", "dogs"))
    for image in sorted((folder / "dogs").iterdir())[1:]:
        image.unlink()


def _unreadable(folder: Path) -> None:
    write_images(folder, classes=("cats", "dogs"))
    (folder / "dogs" / "007.png").write_text("no image")


def _truncated(folder: Path) -> None:
    write_images(folder, classes=("cats", "dogs"))
    whole = (folder / "dogs" / "007.png").read_bytes()
    (folder / "dogs" / "007.png").write_bytes(whole[:-40])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("memory://nowhere/flowers", "There is nothing at memory://nowhere/flowers."),
        ("hub:flowers", "The data set 'flowers' is on the Hugging Face hub, which cannot be reached."),
    ],
)
def test_data_elsewhere_is_looked_for_there(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, data: str, says: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (here / "sweep.yaml").write_text(f"version: 1\ntask: image-classification\ndata: {data}\n")
    for command in ((*FIT, data, *QUICK), ("validate", "sweep.yaml")):
        result = run(*command)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_nothing, "There is no folder {data}."),
        (_empty, "{data} has no images."),
        (_no_images, "{data} has no images in its class folders."),
        (_one_class, "Training needs at least two classes, got one: 'cats'."),
        (
            _class_with_one_image,
            "A class needs at least two images, one to train and one to validate; these have fewer: 'dogs'.",
        ),
        (_unreadable, "{data}/dogs/007.png cannot be read as an image"),
        (_truncated, "{data}/dogs/007.png cannot be read as an image"),
    ],
)
def test_data_that_cannot_be_learned_from(run: Run, here: Path, make: Callable[[Path], None], says: str) -> None:
    make(here / "animals")
    before = listing(here)
    result = run(*FIT, "animals", *QUICK)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says.format(data=here / "animals") in result.stderr
    assert "Traceback" not in result.stderr
    assert listing(here) == before


def test_images_that_cannot_be_read_are_left_out_on_request(run: Run, here: Path) -> None:
    _truncated(here / "animals")
    result = run(*FIT, "animals", *QUICK, "--on-bad-rows", "skip")
    assert result.exit_code == 0
    assert "007.png" in result.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--budget", "soon"), "A budget is a duration such as '90s', '10m' or '1h30m'"),
        (("--budget", "-5m"), "got '-5m'"),
        (("--sampler", "tpee"), "No sampler is called 'tpee'. Did you mean 'tpe'?"),
        (("--scheduler", "asja"), "No scheduler is called 'asja'. Did you mean 'asha'?"),
        (("--cluster", "inlin"), "No cluster is called 'inlin'. Did you mean 'inline'?"),
        (("--on-bad-rows", "skipp"), "Did you mean 'skip'?"),
        (("--trials", 0), "trials is a whole number of at least 1, got 0."),
        (("--patience", 0), "patience is a whole number of at least 1, got 0."),
        (("--epochs", 0), "epochs is a whole number of at least 1, got 0."),
        (("--keep", 0), "keep is a whole number of at least 1, got 0."),
        (("--target", "nan"), "target is a number, got nan."),
        (("--seed", -1), "A seed is a whole number from 0, got -1."),
        (("--cpu", -1), "A trial needs some cpu or gpu, none below zero or infinite, got cpu=-1.0"),
        (("--gpu", 1.5), "More than one gpu comes in whole devices, got gpu=1.5."),
        (("--artifacts", "nowhere://bucket"), "Artifacts need a folder or a URL"),
        (("--name", "../tiny"), "A study's name has up to 100 letters"),
        (("--resume",), "--resume needs to know with which study: add its --name."),
    ],
)
def test_settings_that_cannot_be(run: Run, images: Path, here: Path, options: tuple[object, ...], says: str) -> None:
    before = listing(here)
    result = run(*FIT, "images", *QUICK, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert listing(here) == before


def test_settings_that_cannot_be_are_named_all_at_once(run: Run, images: Path) -> None:
    result = run(*FIT, "images", *QUICK, "--budget", "soon", "--sampler", "tpee", "--keep", 0)
    assert result.exit_code == 2
    for name in ("budget", "sampler", "keep"):
        assert name in result.stderr


def test_a_task_that_nobody_knows(run: Run, images: Path, here: Path) -> None:
    before = listing(here)
    result = run("fit", "image-clasification", "images")
    assert result.exit_code == 2
    assert "No task is called 'image-clasification'. Did you mean 'image-classification'?" in result.stderr
    assert listing(here) == before


def test_a_store_where_none_can_be(run: Run, images: Path, here: Path) -> None:
    before = listing(here)
    result = run(*FIT, "images", *QUICK, "--store", "nowhere/sweeps.db")
    assert result.exit_code == 3
    assert f"the folder {here / 'nowhere'} does not exist" in result.stderr
    assert listing(here) == before


@pytest.fixture
def studied(run: Run, images: Path, here: Path) -> Path:
    """The working folder with a study `tiny` of images/."""
    assert run(*FIT, "images", *QUICK, "--name", "tiny", "--quiet").exit_code == 0
    return here


def test_a_name_that_is_taken(run: Run, studied: Path) -> None:
    before = listing(studied)
    result = run(*FIT, "images", *QUICK, "--name", "tiny")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "A study called 'tiny' is in the store" in result.stderr
    assert "Pass --resume to go on with it, or another name." in result.stderr
    assert listing(studied) == before


def test_a_study_of_other_data_is_not_resumed(run: Run, studied: Path) -> None:
    write_images(studied / "others", seed=1)
    before = _without_prepared(studied)
    result = run(*FIT, "others", *QUICK, "--name", "tiny", "--resume")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Study 'tiny' exists and was made from something else:\n  data.content or split" in result.stderr
    assert _without_prepared(studied) == before
    assert len(Study.attach("tiny").trials) == 1


def _without_prepared(folder: Path) -> list[str]:
    """Prepared data is known by its content and whole, so what was prepared of other data may stay."""
    return [path for path in listing(folder) if "/prepared/" not in path]


def test_debug_shows_where_an_error_comes_from(run: Run, here: Path) -> None:
    result = run("--debug", *FIT, "animals", *QUICK)
    assert result.exit_code == 1
    assert "There is no folder" in str(result.exception)


def test_columns_that_cannot_be_guessed_can_be_said(run: Run, here: Path) -> None:
    rows = "".join(f"{number},a {'good' if number % 2 else 'bad'} one,{'ab'[number % 2]},x\n" for number in range(24))
    (here / "said.csv").write_text(f"number,comment,verdict,by\n{rows}")
    refused = run("fit", "text-classification", "said.csv", *QUICK)
    assert refused.exit_code == 2
    assert "Say which one is to be learned: --target-column" in refused.stderr
    columns = ("--input-column", "comment", "--target-column", "verdict")
    done = run("fit", "text-classification", "said.csv", *QUICK, *columns)
    assert done.exit_code == 0, done.stderr
    assert "From 'comment' the model learns 'verdict'" in done.stderr
