from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from gradfleet import EarlyStopping, Model
from gradfleet.sklearn import Classifier, Regressor

HERE = Path(__file__).parent
Make = Callable[..., nn.Module]
Flowers = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
QUICK: dict[str, Any] = {"epochs": 3, "learning_rate": 0.05, "batch_size": 16}

PREDICT = """
import pickle, sys
import numpy as np
rows, pipeline = pickle.load(open(sys.argv[1], "rb"))
np.savez(sys.argv[2], labels=pipeline.predict(rows).astype(str), probabilities=pipeline.predict_proba(rows))
"""


@pytest.mark.slow
@pytest.mark.row("TP6")
def test_a_pickled_pipeline_predicts_the_same_in_a_new_process(mlp: Make, flowers: Flowers, tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler(), Classifier(mlp, network_options={"width": 8}, **QUICK)).fit(*flowers)
    pickled, predicted = tmp_path / "pipeline.pkl", tmp_path / "predicted.npz"
    pickled.write_bytes(pickle.dumps((flowers[0], pipeline)))

    subprocess.run(
        [sys.executable, "-W", "error", "-c", PREDICT, str(pickled), str(predicted)],
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
        check=True,
    )

    there = np.load(predicted)
    assert (there["labels"] == pipeline.predict(flowers[0])).all()
    assert (there["probabilities"] == pipeline.predict_proba(flowers[0])).all()


@pytest.mark.row("TP6")
def test_the_folder_that_its_model_saves_loads_without_a_pickle(
    mlp: Make, flowers: Flowers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(mlp, **QUICK).fit(*flowers)
    classifier.model_.save(tmp_path / "model")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    loaded = Model.load(tmp_path / "model", mlp(input_shape=(4,), num_outputs=3))

    rows = torch.tensor(flowers[0], dtype=torch.float32)
    assert torch.equal(loaded.predict(rows), classifier.model_.predict(rows))
    assert loaded.labels == ("setosa", "versicolor", "virginica")


def test_the_pickle_holds_the_weights_as_safetensors(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, **QUICK).fit(*flowers)

    files = classifier._trained.__getstate__()["model"]

    weights = safetensors.torch.load(files["weights.safetensors"])
    assert torch.equal(weights["1.weight"], classifier.model_.network[1].weight)
    assert files["weights.safetensors"] in pickle.dumps(classifier)


def test_an_unfitted_estimator_pickles(mlp: Make) -> None:
    again = pickle.loads(pickle.dumps(Classifier(mlp, epochs=4)))

    assert again.epochs == 4
    assert not hasattr(again, "model_")


def test_training_goes_on_exactly_after_pickling(mlp: Make, flowers: Flowers) -> None:
    amounts = flowers[0][:, 0]
    straight = Regressor(mlp, network_options={"dropout": 0.3}, **QUICK).fit(flowers[0], amounts)

    pickled = pickle.loads(pickle.dumps(straight))
    for one in (straight, pickled):
        one.partial_fit(flowers[0], amounts)

    assert pickled.history_.values("train_loss") == straight.history_.values("train_loss")
    assert (pickled.predict(flowers[0]) == straight.predict(flowers[0])).all()


def test_parameters_set_after_the_fit_do_not_change_what_was_fitted(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, **QUICK).fit(*flowers)
    expected = classifier.predict_proba(flowers[0])

    again = pickle.loads(pickle.dumps(classifier.set_params(network__width=99, loss="nll", optimizer="sgd")))

    assert (again.predict_proba(flowers[0]) == expected).all()
    assert again.network_options == {"width": 99}


def test_losses_and_callbacks_of_ones_own_are_pickled_too(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(
        mlp, loss=nn.CrossEntropyLoss(label_smoothing=0.1), callbacks=[EarlyStopping("train_loss")], **QUICK
    ).fit(*flowers)

    again = pickle.loads(pickle.dumps(classifier))

    assert (again.predict_proba(flowers[0]) == classifier.predict_proba(flowers[0])).all()
    assert again.partial_fit(*flowers).history_[-1].epoch == 4


def test_pickling_leaves_the_random_generators_alone(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, **QUICK).fit(*flowers)
    before = torch.get_rng_state()

    pickle.loads(pickle.dumps(classifier))

    assert torch.equal(torch.get_rng_state(), before)
