"""An ensemble: chosen by stored predictions, never worse than the best single model, one bundle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gradfleet import AutoDataset, AutoModel, Float, Int, Objective, Study, Tuner
from gradfleet.data.prepared import Kind
from gradfleet.errors import ExecutionError, NotFoundError, SettingError
from gradfleet.study.greedy import greedy_selection
from gradfleet.training.kinds import probabilities
from gradfleet.trials.averaged import mean_outputs, one_network
from gradfleet.trials.held_out import FILE, KINDS, HeldOut, KeepHeldOut
from tests.automodel.test_automodel import mlp, moons

INLINE = {"cluster": "inline", "progress": False, "scheduler": "none", "sampler": "random", "seed": 3}


def blobs(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Four overlapping classes, so that networks are wrong about different rows."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, rows)
    centres = np.array([[0, 0], [1.5, 0], [0, 1.5], [1.5, 1.5]])
    return (centres[labels] + generator.normal(0, 0.9, (rows, 2))).astype("float32"), labels


def tuner() -> Tuner:
    made = Tuner()
    made.architecture("mlp", mlp, width=Int(2, 32, log=True))
    made.optimizer("adamw", learning_rate=Float(3e-3, 1e-1, log=True))
    return made


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    store = tmp_path_factory.mktemp("ensemble") / "g.db"
    data = AutoDataset(blobs())
    return AutoModel(tuner()).fit(data, trials=6, epochs=3, keep=6, name="blobs", store=store, **INLINE)


@pytest.mark.row("SE18")
def test_an_ensemble_is_not_worse_than_the_best_single_model_and_says_so(study: Study) -> None:
    ensemble = study.ensemble()
    best = study.best
    assert best.number in ensemble.candidates
    assert next(iter(ensemble.weights)) == best.number, "the best single one comes first"
    assert ensemble.best_value == best.value, "the stored predictions give the recorded value again"
    assert ensemble.value > ensemble.best_value, "here several are better than one"
    assert len(ensemble.weights) > 1
    assert sum(ensemble.weights.values()) == pytest.approx(1)
    assert str(ensemble).endswith(
        f"accuracy {ensemble.value:.4f} on 60 validation rows; "
        f"trial {best.number}, the best single one, has {best.value:.4f}."
    )
    assert ensemble.model.evaluate(best.validation())["accuracy"] == ensemble.value, "the models themselves agree"


@pytest.mark.row("SE18")
def test_its_probabilities_are_the_weighted_mean_of_its_models(study: Study) -> None:
    ensemble, (rows, _) = study.ensemble(), blobs(20)
    means = sum(weight * study.trial(number).model().predict_proba(rows) for number, weight in ensemble.weights.items())
    assert np.allclose(ensemble.model.predict_proba(rows), means, atol=1e-6)
    assert ensemble.predict(rows) == [int(row.argmax()) for row in means]


@pytest.mark.row("SE18")
def test_it_is_one_bundle_that_predicts_the_same_in_a_clean_process(study: Study, tmp_path: Path) -> None:
    ensemble, (rows, _) = study.ensemble(), blobs(20)
    done = ensemble.export(tmp_path / "bundle")
    assert done.score is not None
    assert done.score.measured == done.score.recorded == ensemble.value
    np.save(tmp_path / "rows.npy", rows)
    code = (
        "import numpy; from gradfleet import Bundle\n"
        "bundle = Bundle.load('bundle', trust_program=True)\n"
        "numpy.save('told.npy', bundle.predict_proba(numpy.load('rows.npy')))\n"
        "print(*bundle.predict(numpy.load('rows.npy')))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(label) for label in ensemble.predict(rows)]
    assert np.allclose(np.load(tmp_path / "told.npy"), ensemble.model.predict_proba(rows), atol=1e-6)


@pytest.mark.row("SE18")
def test_models_whose_predictions_were_not_kept_are_asked_again(tmp_path: Path) -> None:
    fit = {"trials": 3, "epochs": 2, "store": tmp_path / "g.db", **INLINE}
    silent = AutoModel(tuner()).fit(AutoDataset(blobs()), name="silent", keep_predictions=False, **fit)
    assert list(tmp_path.rglob(FILE)) == [], "an argument says no"
    told = AutoModel(tuner()).fit(AutoDataset(blobs()), name="told", warm_start=False, **fit)
    kept = sorted(tmp_path.rglob(FILE))
    assert {path.parent.parent.name for path in kept} == {"trial-0000", "trial-0001", "trial-0002"}
    same = told.ensemble()
    assert silent.ensemble().to_json() == {**same.to_json(), "study": "silent"}
    kept[0].write_bytes(b"torn")
    assert told.ensemble().to_json() == same.to_json(), "what cannot be read is as good as not kept"


def test_what_was_kept_is_what_the_checkpoint_says_of_the_validation_rows(study: Study) -> None:
    for trial in study.trials:
        view = study.trial(trial.number)
        kept, now = HeldOut.read(view.files()), HeldOut.of(one_network(view.model()), view.validation())
        assert kept is not None
        assert torch.equal(kept.targets, now.targets)
        assert torch.allclose(kept.outputs, now.outputs, atol=1e-6)


def test_nothing_is_kept_of_more_rows_than_memory_is_given_to() -> None:
    from gradfleet import Model

    x, y = map(torch.as_tensor, moons(rows=40))
    numbers = 40 * 2 + 40
    for most, is_kept in ((numbers, True), (numbers - 1, False)):
        callback = KeepHeldOut(most)
        model = Model(nn.Linear(2, 2)).compile("cross_entropy")
        model.fit((x, y), (x, y), epochs=2, batch_size=8, callbacks=[callback], progress=False)
        found = callback.found
        assert (found is not None) is is_kept
        if found is not None:
            assert torch.equal(found.targets, y), "those of the last epoch alone, in order"


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_of_one_network_twice_is_that_network(kind: Kind) -> None:
    outputs = torch.randn(50, 3) * 3
    mean = mean_outputs([outputs, outputs], [0.25, 0.75], kind, [False, False])
    assert torch.allclose(probabilities(mean, kind), probabilities(outputs, kind), atol=1e-6)


def test_a_certain_network_does_not_make_the_mean_infinite() -> None:
    sure = torch.tensor([[1000.0, -1000.0]])
    assert mean_outputs([sure, sure], [0.5, 0.5], "multiclass", [False, False]).isfinite().all()
    assert mean_outputs([sure, sure], [0.5, 0.5], "binary", [False, False]).isfinite().all()


def test_probabilities_and_logits_are_averaged_in_the_terms_of_the_first() -> None:
    logits = torch.randn(20, 3)
    for first, second, done in ((logits, logits.softmax(1), False), (logits.softmax(1), logits, True)):
        mean = mean_outputs([first, second], [0.5, 0.5], "multiclass", [done, not done])
        assert torch.allclose(mean if done else mean.softmax(1), logits.softmax(1), atol=1e-6)


def test_two_models_that_are_wrong_about_different_rows_are_chosen_together_and_a_bad_one_is_not() -> None:
    right = np.array([[0.9, 0.9, 0.4], [0.4, 0.8, 0.9], [0.1, 0.2, 0.1]])

    def score(bag: object) -> tuple[float, ...]:
        return (float((right[bag].mean(axis=0) > 0.5).sum()),)  # type: ignore[index]

    assert sorted(greedy_selection(3, score, size=10)) == [0, 1]


def test_an_ensemble_of_a_regression_is_the_mean_of_its_models(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
    y = (x[:, :1] * x[:, 1:]).astype("float32")
    model = AutoModel(tuner(), objective=Objective("val_loss", "min"))
    study = model.fit((x, y), trials=4, epochs=3, store=tmp_path / "g.db", **INLINE)
    ensemble = study.ensemble()
    assert ensemble.value <= ensemble.best_value == pytest.approx(study.best.value, rel=1e-5)
    single = {number: np.array(study.trial(number).model().predict(x[:5])) for number in ensemble.weights}
    mean = sum(weight * single[number] for number, weight in ensemble.weights.items())
    assert np.allclose(np.array(ensemble.predict(x[:5])), mean, atol=1e-5)


def test_an_ensemble_is_refused_by_name_where_there_can_be_none(study: Study, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"size is at least 1, got 0\."):
        study.ensemble(size=0)

    def train(config: dict[str, float], report: object) -> None:
        report({"val_score": config["x"]}, checkpoint=tmp_path / "nothing")  # type: ignore[operator]

    (tmp_path / "nothing").mkdir()
    fit = {"trials": 1, "store": tmp_path / "g.db", **INLINE}
    of_function = AutoModel.from_function(train, {"x": Float(0, 1)}, Objective("val_score", "max")).fit(None, **fit)
    with pytest.raises(ExecutionError, match="This study was trained by a function"):
        of_function.ensemble()
    small = AutoModel(tuner(), objective=Objective("num_parameters", "min")).fit(moons(), epochs=1, **fit)
    with pytest.raises(SettingError, match="An ensemble is chosen by what models say of validation rows"):
        small.ensemble()
    small.artifacts.delete(small.artifacts.study(small.name))
    with pytest.raises(NotFoundError, match="was it deleted by another program"):
        small.best.files()
