"""`gradfleet leaderboard`, `predict` and `evaluate` of a study that has ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pandas import DataFrame

from gradfleet.study.study import Study
from tests.cli.conftest import Begin, Run, Terminal, write_images


@pytest.fixture
def study(done: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """`tiny`, of two trials; its folder is the working folder."""
    monkeypatch.chdir(done)
    return Study.attach("tiny")


def test_the_leaderboard_is_plain_aligned_text_when_piped(run: Run, study: Study) -> None:
    lines = run("leaderboard", "tiny").stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["trial", "val_accuracy", "state", "epoch", "seconds", "config"]
    assert lines[1].split()[0] == str(study.best.number)
    assert "best" in lines[1]
    assert f"{study.best.value:.4f}" in lines[1]
    assert lines[0].index("config") == lines[1].index("architecture=") == lines[2].index("architecture=")


def test_the_default_configuration_is_marked_and_shown_below_any_top(run: Run, study: Study) -> None:
    lines = run("leaderboard", "tiny", "--top", 1).stdout.splitlines()
    assert next(line for line in lines if "default" in line).split()[0] == "0"
    assert len(lines) == (2 if study.best.number == 0 else 3)


def test_the_leaderboard_as_json_has_the_whole_configurations(run: Run, study: Study) -> None:
    found = json.loads(run("leaderboard", "tiny", "--json").stdout)
    assert found["objective"] == {"metric": "val_accuracy", "mode": "max"}
    assert found["best"] == study.best.number == found["trials"][0]["trial"]
    assert {one["trial"]: one["config"] for one in found["trials"]} == {
        trial.number: dict(trial.config) for trial in study.trials
    }


def test_on_a_narrow_terminal_the_leaderboard_is_a_table_with_all_columns(on_terminal: Terminal, done: Path) -> None:
    title, _, header, *_ = on_terminal("leaderboard", "tiny", cwd=done, columns=80).splitlines()
    assert title.strip() == "tiny: completed"
    assert header.split() == ["trial", "val_accuracy", "state", "epoch", "seconds", "config"]


def test_predict_prints_a_line_a_file_with_its_label(run: Run, study: Study) -> None:
    files = ["images/dark/000.png", "images/light/000.png"]
    labels = study.best.model().predict(files)
    assert run("predict", "tiny", *files).stdout == f"{files[0]}\t{labels[0]}\n{files[1]}\t{labels[1]}\n"


def test_predict_gives_probabilities_below_the_names_of_the_classes(run: Run, study: Study) -> None:
    header, line = run("predict", "tiny", "images/dark/000.png", "--proba").stdout.splitlines()
    assert header == "item\tdark\tlight"
    file, *numbers = line.split("\t")
    assert file == "images/dark/000.png"
    assert sum(map(float, numbers)) == pytest.approx(1, abs=1e-3)


def test_predict_as_json_and_of_another_trial(run: Run, study: Study) -> None:
    found = json.loads(run("predict", "tiny", "images/dark/000.png", "--trial", 0, "--json").stdout)
    label = study.trial(0).model().predict(["images/dark/000.png"])[0]
    assert found == {"study": "tiny", "trial": 0, "predictions": [{"item": "images/dark/000.png", "label": label}]}


def test_evaluate_gives_the_recorded_accuracy_again_on_the_validation_rows(run: Run, study: Study) -> None:
    found = json.loads(run("evaluate", "tiny", "--json").stdout)
    assert found["trial"] == study.best.number
    assert found["metrics"]["accuracy"] == found["recorded"]["accuracy"] == study.best.value
    assert found["metrics"]["loss"] == pytest.approx(study.best.metrics["val_loss"], abs=1e-5)


@pytest.mark.slow
def test_evaluate_in_a_clean_process_gives_the_recorded_accuracy_too(begin: Begin, study: Study, done: Path) -> None:
    stdout, stderr = begin("evaluate", "tiny", "--trial", 0, "--json", cwd=done).communicate(timeout=120)
    assert json.loads(stdout)["metrics"]["accuracy"] == study.trial(0).value
    assert stderr == ""


def test_evaluate_prints_the_recorded_numbers_beside(run: Run, study: Study) -> None:
    lines = [line.split() for line in run("evaluate", "tiny").stdout.splitlines()]
    assert lines[0] == ["metric", "value", "recorded"]
    assert ["accuracy", f"{study.best.value:.4f}", f"{study.best.value:.4f}"] in lines


def test_evaluate_takes_other_labelled_data_and_shows_tables(run: Run, study: Study) -> None:
    result = run("evaluate", "tiny", "images", "--details")
    assert result.stdout.splitlines()[0].split() == ["metric", "value"]
    assert "\nclasses\n" in result.stdout
    assert "\nconfusion\n" in result.stdout


def test_evaluate_says_how_many_rows_the_model_was_trained_on(run: Run, study: Study, tmp_path: Path) -> None:
    said = "16 of these 20 rows occur among those that the model was trained on, so it looks better than it is."
    assert run("evaluate", "tiny", "images").stderr == f"{said}\n"
    assert json.loads(run("evaluate", "tiny", "images", "--json").stdout)["notes"] == [said]
    assert study.best.model().evaluate("images").notes == (said,)
    unseen = run("evaluate", "tiny", write_images(tmp_path / "held", seed=1))
    assert unseen.exit_code == 0, unseen.output
    assert unseen.stderr == run("evaluate", "tiny").stderr == ""


def test_evaluate_as_json_has_the_tables_when_asked(run: Run, study: Study) -> None:
    found = json.loads(run("evaluate", "tiny", "images", "--details", "--json").stdout)
    assert found["data"] == "images"
    assert found["details"]["classes"]["dark"]["rows"] == 10
    assert sum(found["details"]["confusion"]["dark"].values()) == 10


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("leaderboard", "tinny"), "No study is called 'tinny'. Did you mean 'tiny'?"),
        (("evaluate", "tiny", "--trial", 7), "The study has no trial 7; it has 2, from 0."),
        (("leaderboard", "tiny", "--store", "nowhere.db"), "There is no store at sqlite:///"),
    ],
)
def test_what_is_not_there_ends_with_5(run: Run, study: Study, arguments: tuple[object, ...], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 5
    assert result.stdout == ""
    assert says in result.stderr


def test_a_file_that_cannot_be_predicted_is_named(run: Run, study: Study) -> None:
    result = run("predict", "tiny", "images/dark/000.png", "nowhere.png")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "nowhere.png cannot be read as an image" in result.stderr


def test_tasks_are_listed_with_a_line_each(run: Run) -> None:
    lines = run("tasks").stdout.splitlines()
    assert "image-classification  Learns to tell classes of images apart." in lines
    assert json.loads(run("tasks", "--json").stdout)["tasks"]["image-classification"].startswith("Learns")


def test_the_rows_that_the_model_is_most_wrong_about_are_listed_and_drawn(
    run: Run, study: Study, tmp_path: Path
) -> None:
    result = run("evaluate", "tiny", "images", "--top-losses", 3, "--pictures", tmp_path / "worst.png")
    assert result.stdout.split("\ntop losses\n")[1].split()[:6] == [
        "row",
        "item",
        "true",
        "predicted",
        "probability",
        "loss",
    ]
    assert (tmp_path / "worst.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(run("evaluate", "tiny", "images", "--top-losses", 3, "--json").stdout)
    assert {title: len(table) for title, table in found["details"].items()} == {"top losses": 3}


def test_the_worst_summaries_are_listed_by_rouge_and_no_pictures_drawn_of_them(run: Run, here: Path) -> None:
    texts = [f"Nobody had looked so far. Copper improves yield by {number} percent." for number in range(20)]
    summaries = [text.partition(". ")[2] for text in texts]
    DataFrame({"text": texts, "summary": summaries}).to_csv("reports.csv", index=False)
    options = ("--trials", 1, "--cluster", "inline", "--name", "reports", "--quiet")
    assert run("fit", "summarization", "reports.csv", *options).exit_code == 0
    DataFrame({"text": texts[:3], "summary": [summaries[0], "Nothing", summaries[2]]}).to_csv("held.csv", index=False)
    found = json.loads(run("evaluate", "reports", "held.csv", "--top-losses", 1, "--json").stdout)
    assert "of these 3 rows occur" in found["notes"][0]
    assert found["details"]["top losses"]["1"] == {
        "rouge1": 0.0,
        "rouge2": 0.0,
        "rougeL": 0.0,
        "summary": summaries[1],
        "wanted": "Nothing",
    }
    assert run("predict", "reports", "One line.\nAnother\tone.").stdout.startswith("One line.\\nAnother\\tone.\t")
    refused = run("evaluate", "reports", "held.csv", "--pictures", "worst.png")
    assert refused.exit_code == 2
    assert "Pictures are drawn of images, and the model learned from something else." in refused.stderr
