"""The examples of presets run as they stand."""

from __future__ import annotations

import re

import pytest

from tests.examples.conftest import Run


@pytest.mark.slow
def test_a_digit_is_told_by_a_bundle_in_another_process(run: Run) -> None:
    printed = run("image_classification.py")
    assert float(re.findall(r"held-out images: ([\d.]+)", printed)[0]) > 0.9
    here, there = re.findall(r"^(?:here|there): (.+)$", printed, flags=re.M)
    assert here == there == "['3']"


@pytest.mark.slow
def test_a_docstring_is_told_by_a_bundle_in_another_process(run: Run) -> None:
    printed = run("text_classification.py")
    assert float(re.findall(r"held-out docstrings: ([\d.]+)", printed)[0]) > 0.7
    here, there = re.findall(r"^(?:here|there): (.+)$", printed, flags=re.M)
    assert here == there


@pytest.mark.slow
def test_reviews_get_stars_and_a_score_in_their_order(run: Run) -> None:
    printed = run("sentiment.py")
    found = re.findall(r"^(\d) stars, score ([+-][\d.]+)", printed, flags=re.M)
    assert [stars for stars, _ in found] == ["1", "3", "5"]
    assert sorted(float(score) for _, score in found) == [float(score) for _, score in found]


@pytest.mark.slow
def test_the_scorer_finds_the_first_line_better_than_the_lead(run: Run) -> None:
    printed = run("summarization.py")
    values = {name: float(value) for name, value in re.findall(r"(extractive|lead) +([\d.]+)", printed)}
    assert values["extractive"] > values["lead"]
