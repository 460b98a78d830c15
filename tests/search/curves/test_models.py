"""The Gaussian process, the forest, what an improvement is worth, and the scale of all of it."""

from __future__ import annotations

import math

import numpy
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm
from threadpoolctl import ThreadpoolController

from gradfleet.search.curves.finals import Finals
from gradfleet.search.curves.forest import Forest
from gradfleet.search.curves.gaussian_process import GaussianProcess, Hyperparameters, _Posterior, fitted
from gradfleet.search.curves.improvement import log_expected_improvement
from gradfleet.search.curves.scaling import MOST_NOISE, noise, standardised
from gradfleet.search.curves.threads import one_thread

ONE = [slice(0, 1)]
TWO = [slice(0, 1), slice(1, 2)]


def column(*numbers: float) -> numpy.ndarray:
    return numpy.array(numbers)[:, None]


def test_a_process_passes_through_what_has_no_noise_and_knows_nothing_far_away() -> None:
    known = Hyperparameters(numpy.array([1 / 0.3**2]), 1.0, 1e-5)
    process = GaussianProcess.conditioned(
        column(0.0, 0.5, 1.0), ONE, numpy.array([1.0, -1.0, 0.5]), numpy.zeros(3), known
    )
    means, deviations = process.predict(column(0.0, 0.5, 30.0))
    assert means == pytest.approx([1.0, -1.0, 0.0], abs=1e-3)
    assert deviations == pytest.approx([0.0, 0.0, 1.0], abs=1e-2)


def test_a_target_with_noise_of_its_own_is_believed_less() -> None:
    known = Hyperparameters(numpy.array([1.0]), 1.0, 1e-5)
    targets, noises = numpy.array([1.0, 1.0]), numpy.array([0.0, 3.0])
    process = GaussianProcess.conditioned(column(0.0, 9.0), ONE, targets, noises, known)
    means, deviations = process.predict(column(0.0, 9.0))
    assert means == pytest.approx([1.0, 0.25], abs=0.01)
    assert deviations == pytest.approx([0.0, math.sqrt(0.75)], abs=0.01)


def test_the_gradient_of_the_posterior_is_that_of_its_differences() -> None:
    rng = numpy.random.default_rng(1)
    features = rng.random((12, 2))
    distances = numpy.stack([(features[:, [each]] - features[:, each]) ** 2 for each in (0, 1)])
    posterior = _Posterior(distances, rng.normal(size=12), 0.1 * rng.random(12), numpy.log([0.5, 0.7, 1.0, 0.01]))
    place = numpy.log([0.4, 1.1, 1.5, 0.03])
    differences = approx_fprime(place, lambda each: posterior(each)[0], 1e-6)
    assert posterior(place)[1] == pytest.approx(differences, rel=1e-3)


def test_a_dimension_that_decides_nothing_has_a_long_length() -> None:
    features = numpy.random.default_rng(0).random((40, 2))
    targets = numpy.sin(6 * features[:, 0])
    found = fitted(features, TWO, targets - targets.mean(), numpy.zeros(40))
    assert found.weights[0] > 10 * found.weights[1]
    assert found.noise < 0.01


def test_hyperparameters_of_equal_targets_are_usual_ones() -> None:
    found = fitted(numpy.random.default_rng(0).random((20, 2)), TWO, numpy.zeros(20), numpy.zeros(20))
    assert numpy.isfinite([*found.weights, found.variance, found.noise]).all()


def test_a_forest_learns_a_step_and_doubts_where_it_has_seen_nothing() -> None:
    rng = numpy.random.default_rng(0)
    features = rng.random((60, 2))
    features = features[numpy.abs(features[:, 0] - 0.5) > 0.2]
    targets = (features[:, 0] > 0.5).astype(float)
    means, deviations = Forest.grown(features, targets, numpy.zeros(len(targets)), rng).predict(
        numpy.array([[0.1, 0.5], [0.5, 0.5], [0.9, 0.5]])
    )
    assert means[[0, 2]].tolist() == [0.0, 1.0]
    assert deviations[1] > 0.1 > deviations[0]


def test_the_same_generator_grows_the_same_forest() -> None:
    features = numpy.random.default_rng(0).random((30, 2))
    grown = [Forest.grown(features, features[:, 0], numpy.zeros(30), numpy.random.default_rng(4)) for _ in range(2)]
    first, again = (forest.predict(features + 0.01)[0].tolist() for forest in grown)
    assert first == again


@pytest.mark.parametrize("mean", [-3.0, -0.9, 0.0, 2.0])
def test_the_expected_improvement_is_the_integral_over_what_is_better(mean: float) -> None:
    expected, _ = quad(lambda y: (y - 0.2) * norm.pdf(y, mean, 0.7), 0.2, 12.0)
    found = log_expected_improvement(numpy.array([mean]), numpy.array([0.7]), 0.2)
    assert found == pytest.approx([math.log(expected)], abs=1e-6)


def test_what_is_hopeless_is_ordered_too() -> None:
    means = -numpy.logspace(-1, 7, 60)
    gains = log_expected_improvement(means, numpy.ones(60), 0.0)
    assert numpy.isfinite(gains).all()
    assert (numpy.diff(gains) < 0).all()


def test_the_bad_half_is_drawn_together_and_the_order_stays() -> None:
    scores = numpy.array([-1e30, 0.0, 0.5, 0.6, 0.7, 0.8])
    targets = standardised(scores)
    assert (numpy.diff(targets) > 0).all()
    assert targets.mean() == pytest.approx(0.0, abs=1e-9)
    assert targets.std() == pytest.approx(1.0)
    assert targets[-1] - targets[-2] > 1e-3 * (targets[1] - targets[0])


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_unit_of_an_objective_changes_nothing(scale: float) -> None:
    scores = numpy.array([0.1, 0.4, 0.5, 0.9, 0.95])
    assert standardised(scale * scores) == pytest.approx(standardised(scores))


def test_equal_scores_are_all_zero() -> None:
    assert standardised(numpy.full(5, 0.3)).tolist() == [0.0] * 5


def test_noise_is_in_the_units_of_the_targets() -> None:
    scores = numpy.linspace(0.0, 1.0, 21)
    targets = standardised(scores)
    slope = targets[-1] - targets[-2]
    variances = numpy.zeros(21)
    variances[[5, 15]] = 0.1**2
    found = noise(Finals(scores, variances), targets)
    assert found[[0, 20]].tolist() == [0.0, 0.0]
    assert math.sqrt(found[15]) == pytest.approx(0.1 * slope / 0.05)
    assert 0 < found[5] < found[15]
    assert noise(Finals(scores, numpy.full(21, 1e9)), targets).tolist() == [MOST_NOISE] * 21


def test_linear_algebra_has_one_thread_for_as_long_as_it_is_asked_to() -> None:
    def threads() -> list[int]:
        libraries = ThreadpoolController().select(user_api="blas").info()
        return [library["num_threads"] for library in libraries]

    before = threads()
    with one_thread():
        assert set(threads()) == {1}
    assert threads() == before
