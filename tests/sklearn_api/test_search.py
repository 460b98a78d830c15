"""Our estimators in scikit-learn's own hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from gradfleet import EarlyStopping
from gradfleet.errors import SettingError
from gradfleet.sklearn import Classifier, Regressor

Make = Callable[..., nn.Module]
Flowers = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
QUICK: dict[str, Any] = {"epochs": 5, "learning_rate": 0.05, "batch_size": 16}


def pipeline(mlp: Make) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("net", Classifier(mlp, **QUICK))])


@pytest.mark.row("SE3")
def test_a_grid_varies_options_of_the_network_and_settings_in_a_pipeline(mlp: Make, flowers: Flowers) -> None:
    grid = {"net__network__width": [1, 16], "net__learning_rate": [1e-5, 0.05]}

    search = GridSearchCV(pipeline(mlp), grid, cv=3).fit(*flowers)

    assert search.best_params_ == {"net__network__width": 16, "net__learning_rate": 0.05}
    assert search.best_score_ > 0.9
    assert search.best_estimator_["net"].model_.network[1].out_features == 16
    assert search.score(*flowers) > 0.9
    assert list(search.classes_) == ["setosa", "versicolor", "virginica"]


@pytest.mark.slow
@pytest.mark.row("SE3")
def test_two_processes_give_the_scores_of_one(mlp: Make, flowers: Flowers) -> None:
    grid = {"net__network__width": [2, 16]}

    one, two = (GridSearchCV(pipeline(mlp), grid, cv=3, n_jobs=jobs).fit(*flowers) for jobs in (1, 2))

    assert list(two.cv_results_["mean_test_score"]) == list(one.cv_results_["mean_test_score"])
    assert (two.predict_proba(flowers[0]) == one.predict_proba(flowers[0])).all()


@pytest.mark.row("SE3")
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
def test_cross_validation_scores_labels_and_probabilities(mlp: Make, flowers: Flowers, scoring: str) -> None:
    scores = cross_val_score(pipeline(mlp), *flowers, cv=3, scoring=scoring)

    assert scores.mean() > (-0.4 if scoring == "neg_log_loss" else 0.9)


@pytest.mark.row("SE3")
def test_a_clone_is_not_fitted_and_learns_the_same(mlp: Make, flowers: Flowers) -> None:
    original = Classifier(mlp, network_options={"width": 8}, callbacks=[EarlyStopping("train_loss")], **QUICK)
    original.fit(*flowers)

    copy = clone(original)

    assert not hasattr(copy, "classes_")
    assert repr(copy.get_params()["network_options"]) == "{'width': 8}"
    assert copy.get_params()["network"] is mlp
    assert copy.callbacks[0] is not original.callbacks[0]
    assert (copy.fit(*flowers).predict_proba(flowers[0]) == original.predict_proba(flowers[0])).all()


def test_every_fold_trains_a_network_of_its_own(mlp: Make, flowers: Flowers) -> None:
    estimator = Classifier(mlp, **QUICK)

    predicted = cross_val_predict(estimator, *flowers, cv=3, method="predict_proba")

    assert predicted.shape == (150, 3)
    assert not hasattr(estimator, "model_")


def test_a_random_search_draws_with_numpy(mlp: Make, flowers: Flowers) -> None:
    space = {
        "batch_size": randint(8, 32),
        "learning_rate": loguniform(1e-3, 1e-1),
        "optimizer": np.array(["sgd", "adam"]),
        "network__width": np.array([4, 8]),
    }

    search = RandomizedSearchCV(Classifier(mlp, epochs=1), space, n_iter=4, cv=2, random_state=0).fit(*flowers)

    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_a_grid_may_vary_the_network_itself(flowers: Flowers) -> None:
    def linear(num_outputs: int) -> nn.Module:
        return nn.Linear(4, num_outputs)

    grid = [{"network": [linear]}, {"network": [nn.Linear], "network_options": [{"in_features": 4, "out_features": 3}]}]

    search = GridSearchCV(Classifier(linear, **QUICK), grid, cv=2).fit(*flowers)

    assert search.cv_results_["mean_test_score"][0] == search.cv_results_["mean_test_score"][1]


def test_a_grid_over_what_the_network_does_not_take_says_so(mlp: Make, flowers: Flowers) -> None:
    with pytest.raises(ValueError, match="No parameter of 'network' is called 'widht'. Did you mean 'width'?"):
        GridSearchCV(Classifier(mlp), {"network__widht": [8]}, cv=2).fit(*flowers)


def test_a_grid_over_a_parameter_that_is_not_there_says_so(mlp: Make, flowers: Flowers) -> None:
    with pytest.raises(SettingError, match="No parameter of Classifier is called 'epoch'. Did you mean 'epochs'?"):
        GridSearchCV(Classifier(mlp), {"epoch": [8]}, cv=2).fit(*flowers)


def test_tensors_and_frames_cross_validate_like_arrays(
    mlp: Make, flowers: Flowers, frame: tuple[pandas.DataFrame, pandas.Series]
) -> None:
    measures = torch.tensor(flowers[0])
    numbers = torch.tensor(np.unique(flowers[1], return_inverse=True)[1])
    estimator = Classifier(mlp, **QUICK)

    expected = list(cross_val_score(estimator, *flowers, cv=3))

    assert list(cross_val_score(estimator, measures, numbers, cv=3)) == expected
    assert list(cross_val_score(estimator, *frame, cv=3)) == expected


def test_a_regressor_learns_scaled_targets_in_a_pipeline(mlp: Make, flowers: Flowers) -> None:
    inputs, amounts = flowers[0][:, :3], 1000 + 100 * flowers[0][:, 3]
    scaled = TransformedTargetRegressor(Regressor(mlp, **QUICK), transformer=StandardScaler())

    scores = cross_val_score(make_pipeline(StandardScaler(), scaled), inputs, amounts, cv=3)

    assert scores.shape == (3,)
    assert make_pipeline(StandardScaler(), scaled).fit(inputs, amounts).score(inputs, amounts) > 0.9
