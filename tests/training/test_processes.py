"""The same script in one process and in two, started by `accelerate launch`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.launching import launched

SCRIPT = Path(__file__).with_name("two_processes.py")


def run(out: Path, *, processes: int = 1, devices: str = "") -> tuple[list[dict[str, Any]], str]:
    """What every process found, and what was printed."""
    printed = launched(SCRIPT, out, processes=processes, devices=devices)
    return [json.loads(file.read_text()) for file in sorted(out.glob("found-*.json"))], printed


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (found,), _ = run(tmp_path_factory.mktemp("one") / "out")
    return found


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str, Path]:
    out = tmp_path_factory.mktemp("two") / "out"
    return (*run(out, processes=2), out)


@pytest.mark.slow
@pytest.mark.row("DI2")
@pytest.mark.row("ME4")
def test_two_processes_give_the_metrics_of_one_with_an_odd_number_of_rows(one: Any, two: Any) -> None:
    found, _, _ = two

    assert len(found) == 2
    assert found[0]["history"] == found[1]["history"]
    assert len(found[0]["history"]) == len(one["history"])
    for record, expected in zip(found[0]["history"], one["history"], strict=True):
        assert record == pytest.approx(expected, abs=1e-5)
    assert found[1]["evaluation"] == pytest.approx(one["evaluation"], abs=1e-5)
    assert {"val_span", "train_mean_input"} <= set(one["history"][0])


@pytest.mark.slow
@pytest.mark.row("DI2")
def test_two_processes_end_with_the_weights_of_one(one: Any, two: Any) -> None:
    found, _, _ = two

    for number, rows in enumerate(found[1]["predictions"]):
        assert rows == pytest.approx(one["predictions"][number], abs=1e-4)
    for number, values in enumerate(found[0]["gan"]):
        assert values == found[1]["gan"][number] == pytest.approx(one["gan"][number], abs=1e-5)
    assert found[0]["mixed"] == found[1]["mixed"] == pytest.approx(one["mixed"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.row("DI3")
def test_only_one_process_writes_and_prints_and_all_agree_on_stopping_early(one: Any, two: Any) -> None:
    found, printed, out = two

    assert found[0]["reason"] == found[1]["reason"] == one["reason"]
    assert found[0]["reason"].startswith("val_accuracy has not become better")
    assert found[0]["stopped"] == found[1]["stopped"] == one["stopped"] == [1, "one of us has had enough"]
    epochs = len(one["history"])
    assert [line.split()[1].split("/")[0] for line in printed.splitlines() if line.startswith("epoch ")] == [
        str(number) for number in range(1, epochs + 1)
    ]
    assert sorted(each.name for each in (out / "kept").iterdir()) == ["last"]


@pytest.mark.slow
@pytest.mark.row("DI1")
def test_one_script_unchanged_runs_on_a_cpu_and_in_two_processes(one: Any, two: Any) -> None:
    found, _, _ = two

    assert {each["device"] for each in (one, *found)} == {"cpu"}
    assert found[0]["evaluation"] == pytest.approx(one["evaluation"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.row("DI1")
def test_the_same_script_unchanged_runs_on_a_gpu(one: Any, tmp_path: Path) -> None:
    (found,), _ = run(tmp_path / "out", devices="0")

    assert found["device"] == "cuda"
    assert found["history"][0] == pytest.approx(one["history"][0], abs=1e-3)
    assert found["evaluation"]["accuracy"] == pytest.approx(one["evaluation"]["accuracy"], abs=0.05)
    assert found["stopped"] == one["stopped"]
    for number, values in enumerate(found["gan"]):
        assert values == pytest.approx(one["gan"][number], abs=1e-3)
