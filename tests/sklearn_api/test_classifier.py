from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from torch import nn

from gradfleet import EarlyStopping, Model
from gradfleet.errors import DataError, SettingError
from gradfleet.sklearn import Classifier

Make = Callable[..., nn.Module]
Flowers = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
QUICK: dict[str, Any] = {"epochs": 10, "learning_rate": 0.05, "batch_size": 16}


@pytest.mark.parametrize("form", ["strings", "numbers", "booleans", "series", "category", "list", "tensor"])
def test_labels_of_any_type_come_back_as_they_were(form: str, mlp: Make, flowers: Flowers) -> None:
    measures, names = flowers
    numbers = np.unique(names, return_inverse=True)[1]
    labels = {
        "strings": names,
        "numbers": numbers * 10 - 5,
        "booleans": names == "setosa",
        "series": pandas.Series(names),
        "category": pandas.Series(names).astype("category"),
        "list": names.tolist(),
        "tensor": torch.tensor(numbers),
    }[form]

    classifier = Classifier(mlp, **QUICK).fit(measures, labels)

    assert classifier.classes_.tolist() == np.unique(np.asarray(labels)).tolist()
    assert classifier.score(measures, np.asarray(labels)) > 0.9
    assert classifier.n_features_in_ == 4


def test_probabilities_have_a_column_a_class_and_add_up_to_one(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, **QUICK).fit(*flowers)

    probabilities = classifier.predict_proba(flowers[0])

    assert probabilities.shape == (150, 3)
    assert probabilities.dtype == np.float64
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-12
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(flowers[0])).all()


@pytest.mark.parametrize("loss", ["binary_cross_entropy", nn.BCEWithLogitsLoss, nn.BCELoss()])
def test_two_classes_make_do_with_one_output_where_the_loss_is_for_that(loss: Any, flowers: Flowers) -> None:
    def one_output(num_outputs: int, kind: str) -> nn.Module:
        assert (num_outputs, kind) == (1, "binary")
        layers = [nn.Linear(4, num_outputs), *([nn.Sigmoid()] if isinstance(loss, nn.BCELoss) else [])]
        return nn.Sequential(*layers)

    labels = np.where(flowers[1] == "setosa", "yes", "no")
    classifier = Classifier(one_output, loss=loss, **QUICK).fit(flowers[0], labels)

    probabilities = classifier.predict_proba(flowers[0])
    assert probabilities.shape == (150, 2)
    assert (classifier.predict(flowers[0]) == np.where(probabilities[:, 1] > 0.5, "yes", "no")).all()
    assert classifier.score(flowers[0], labels) > 0.9


def test_columns_of_0_and_1_are_several_labels_a_row(mlp: Make, flowers: Flowers) -> None:
    labels = np.stack([flowers[1] == "setosa", flowers[0][:, 0] > 6], axis=1).astype(int)

    classifier = Classifier(mlp, validation_fraction=0.2, **QUICK).fit(flowers[0], labels)

    assert classifier.predict(flowers[0]).shape == (150, 2)
    assert (classifier.predict(flowers[0]) == labels).mean() > 0.85
    assert classifier.predict_proba(flowers[0]).shape == (150, 2)
    assert classifier.classes_.tolist() == [0, 1]
    sparse = Classifier(mlp, validation_fraction=0.2, **QUICK).fit(flowers[0], csr_array(labels))
    assert (sparse.predict(flowers[0]) == classifier.predict(flowers[0])).all()


def test_rows_may_be_images(flowers: Flowers) -> None:
    images = flowers[0].reshape(-1, 1, 2, 2)

    def convolution(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        assert input_shape == (1, 2, 2)
        return nn.Sequential(nn.Conv2d(1, num_outputs, 2), nn.Flatten())

    classifier = Classifier(convolution, **QUICK).fit(images, flowers[1])

    assert classifier.score(images, flowers[1]) > 0.8
    with pytest.raises(DataError, match=r"X has rows of shape \(1, 4, 1\), but Classifier is expecting \(1, 2, 2\)"):
        classifier.predict(images.reshape(-1, 1, 4, 1))


def test_a_held_out_part_is_measured_and_can_stop_the_fit(mlp: Make, flowers: Flowers) -> None:
    stopping = EarlyStopping("val_accuracy", mode="max", patience=2)
    classifier = Classifier(mlp, validation_fraction=0.2, callbacks=[stopping], **{**QUICK, "epochs": 50})

    classifier.fit(*flowers)

    assert len(classifier.history_) < 50
    assert max(classifier.history_.values("val_accuracy")) > 0.9
    assert "val_accuracy has not become better" in str(classifier.model_.stop_reason)
    assert stopping.reason is None  # a fit uses copies of what it was given


def test_the_model_knows_the_names_of_the_classes(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, **QUICK).fit(*flowers)
    numbers = np.unique(flowers[1], return_inverse=True)[1]

    evaluation = classifier.model_.evaluate((flowers[0], numbers))

    assert evaluation["accuracy"] == classifier.score(*flowers)
    assert list(evaluation.details["confusion"].columns) == ["setosa", "versicolor", "virginica"]


def test_a_builder_may_return_a_model_with_a_step_of_its_own(mlp: Make, flowers: Flowers) -> None:
    class Counting(Model):
        def training_step(self, batch: Any) -> Any:
            steps.append(len(batch[0]))
            return super().training_step(batch)

    steps: list[int] = []

    def build(num_outputs: int) -> Model:
        return Counting(nn.Linear(4, num_outputs))

    Classifier(build, **QUICK).fit(*flowers)

    assert sum(steps) == 10 * 150


def test_a_fit_is_the_same_again_and_leaves_the_random_generators_alone(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, network_options={"dropout": 0.2}, **QUICK)
    torch.manual_seed(7)
    np.random.seed(7)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist())

    first = classifier.fit(*flowers).predict_proba(flowers[0])

    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    torch.manual_seed(8)
    assert (classifier.fit(*flowers).predict_proba(flowers[0]) == first).all()
    assert (classifier.set_params(seed=1).fit(*flowers).predict_proba(flowers[0]) != first).any()


def test_partial_fits_of_all_rows_equal_a_fit(mlp: Make, flowers: Flowers) -> None:
    whole, parts = Classifier(mlp, **{**QUICK, "epochs": 3}), Classifier(mlp, **QUICK)
    whole.fit(*flowers)

    for _ in range(3):
        parts.partial_fit(*flowers, classes=["virginica", "setosa", "versicolor"])

    assert len(parts.history_) == 3
    assert (parts.predict_proba(flowers[0]) == whole.predict_proba(flowers[0])).all()


def test_a_partial_fit_may_see_some_of_the_classes(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, **QUICK)

    classifier.partial_fit(flowers[0][:50], flowers[1][:50], classes=np.unique(flowers[1]))
    classifier.partial_fit(flowers[0][50:], flowers[1][50:])

    assert classifier.predict_proba(flowers[0]).shape == (150, 3)


def test_the_first_partial_fit_needs_all_classes(mlp: Make, flowers: Flowers) -> None:
    with pytest.raises(SettingError, match="The first partial_fit needs classes=, all labels that will ever come"):
        Classifier(mlp).partial_fit(*flowers)


def test_a_label_or_classes_that_come_later_are_named(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, epochs=1).fit(flowers[0][:100], flowers[1][:100])

    with pytest.raises(DataError, match="none of the classes that came first: 'virginica'. Known: 'setosa', 'versic"):
        classifier.partial_fit(*flowers)
    with pytest.raises(SettingError, match=r"The classes are \['setosa', 'versicolor'\] since the first call, got"):
        classifier.partial_fit(*flowers, classes=np.unique(flowers[1]))


def test_one_class_is_not_enough(mlp: Make, flowers: Flowers) -> None:
    with pytest.raises(DataError, match="needs at least two classes, got 1 class: 'setosa'"):
        Classifier(mlp).fit(flowers[0][:50], flowers[1][:50])


def test_amounts_are_no_classes(mlp: Make, flowers: Flowers) -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        Classifier(mlp).fit(flowers[0], flowers[0][:, 0])


@pytest.mark.parametrize("name", ["classes_", "history_", "model_"])
def test_what_fit_leaves_is_not_there_before(name: str, mlp: Make) -> None:
    with pytest.raises(NotFittedError, match="This Classifier instance is not fitted yet"):
        getattr(Classifier(mlp), name)


def test_predict_before_fit_says_so(mlp: Make, flowers: Flowers) -> None:
    with pytest.raises(NotFittedError, match="This Classifier instance is not fitted yet"):
        Classifier(mlp).predict(flowers[0])


def test_a_wrong_number_of_features_and_other_columns_are_named(
    mlp: Make, frame: tuple[pandas.DataFrame, pandas.Series]
) -> None:
    classifier = Classifier(mlp, epochs=1).fit(*frame)

    with pytest.raises(ValueError, match="X has 3 features, but Classifier is expecting 4 features"):
        Classifier(mlp, epochs=1).fit(frame[0].to_numpy(), frame[1]).predict(frame[0].to_numpy()[:, :3])
    with pytest.raises(ValueError, match=r"names unseen at fit time:\n- length"):
        classifier.predict(frame[0].rename(columns={"petal_length": "length"}))
