"""Final scores from partial curves."""

from __future__ import annotations

import math

import numpy
import pytest

from gradfleet.search.curves.finals import Curve, estimated_finals


def saturating(limit: float, epochs: int) -> Curve:
    return {epoch: limit - 0.4 * math.exp(-epoch / 5) for epoch in range(1, epochs + 1)}


def test_what_has_all_its_epochs_is_measured() -> None:
    finals = estimated_finals([{1: 0.5, 2: 0.9, 3: 0.7}, {1: 0.1, 2: 0.2, 3: 0.3}], epochs=3)
    assert finals.scores.tolist() == [0.9, 0.3]
    assert finals.variances.tolist() == [0.0, 0.0]


def test_curves_of_one_shape_are_carried_on_to_where_they_end() -> None:
    limits = numpy.linspace(0.5, 0.9, 12)
    lengths = [27, 9, 3] * 4
    curves = [saturating(limit, length) for limit, length in zip(limits, lengths, strict=True)]
    finals = estimated_finals(curves, epochs=27)
    ends = [saturating(limit, 27)[27] for limit in limits]
    assert finals.scores == pytest.approx(ends, abs=0.02)
    assert [saturating(limits[2], 3)[3]] != pytest.approx([ends[2]], abs=0.15)


def test_the_earlier_a_curve_ends_the_less_certain_it_is() -> None:
    rng = numpy.random.default_rng(0)
    curves = []
    for length in [27] * 6 + [9] * 6 + [3] * 6:
        steps = numpy.abs(rng.normal(scale=0.02, size=length))
        curves.append({epoch: float(score) for epoch, score in enumerate(0.3 * rng.random() + steps.cumsum(), start=1)})
    variances = estimated_finals(curves, epochs=27).variances
    assert set(variances[:6]) == {0.0}
    assert 0 < variances[6] < variances[12]
    assert len(set(variances[6:12])) == len(set(variances[12:])) == 1


def test_what_is_behind_has_more_to_gain() -> None:
    """Each of these curves comes half way nearer to 1 between epochs 1 and 2."""
    starts = [0.1, 0.3, 0.5, 0.7, 0.9]
    whole: list[Curve] = [{1: start, 2: 0.5 + start / 2} for start in starts] * 4
    scores = estimated_finals([*whole, {1: 0.2}, {1: 0.8}], epochs=2).scores
    assert scores[-2:] == pytest.approx([0.6, 0.9], abs=0.06)


def test_one_long_curve_is_enough_to_begin_with() -> None:
    finals = estimated_finals([{1: 0.2, 2: 0.5, 3: 0.6}, {1: 0.3}], epochs=3)
    assert finals.scores == pytest.approx([0.6, 0.7])
    assert finals.variances[1] > 0


def test_without_a_long_curve_each_stays_where_it_is_and_is_uncertain() -> None:
    finals = estimated_finals([{1: 0.2}, {1: 0.4, 2: 0.5}], epochs=9)
    assert finals.scores[1] == 0.5
    assert finals.scores[0] == pytest.approx(0.3)
    assert (finals.variances > 0).all()


def test_records_may_begin_late_and_have_gaps() -> None:
    curves: list[Curve] = [{2: 0.1, 6: 0.3, 10: 0.5}, {1: 0.2, 6: 0.4, 9: 0.4, 10: 0.6}, {3: 0.2, 5: 0.3}, {40: 0.7}]
    finals = estimated_finals(curves, epochs=10)
    assert finals.scores[[0, 1, 3]].tolist() == [0.5, 0.6, 0.7]
    assert finals.scores[2] >= 0.3
    assert finals.variances[[0, 1, 3]].tolist() == [0.0] * 3


def test_the_last_record_counts_where_records_are_means_over_ever_more_runs() -> None:
    curves: list[Curve] = [{1: 0.9, 2: 0.7}, {1: 0.6, 2: 0.4}, {1: 0.8}]
    finals = estimated_finals(curves, epochs=2, keeps_best=False)
    assert finals.scores == pytest.approx([0.7, 0.4, 0.6])


def test_equal_scores_stay_equal() -> None:
    finals = estimated_finals([{1: 0.5, 2: 0.5}, {1: 0.5}, {1: 0.5, 2: 0.5}], epochs=2)
    assert finals.scores.tolist() == [0.5, 0.5, 0.5]
    assert finals.variances[1] < 1e-12
