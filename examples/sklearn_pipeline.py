"""A network in scikit-learn's hands: scaled in a pipeline, tuned by a grid, cross-validated, and kept as a pickle.

python examples/sklearn_pipeline.py
"""

from __future__ import annotations

import pickle
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from gradfleet import EarlyStopping
from gradfleet.sklearn import Classifier


def mlp(input_shape: tuple[int, ...], num_outputs: int, width: int = 32, dropout: float = 0.0) -> nn.Module:
    """`input_shape` and `num_outputs` come from the data, the rest from `network_options` or a grid."""
    return nn.Sequential(
        nn.Linear(*input_shape, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, num_outputs),
    )


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    learn, held_out, learn_digits, held_out_digits = train_test_split(pixels, digits, stratify=digits, random_state=0)

    classifier = Classifier(
        mlp,
        learning_rate=0.01,
        epochs=30,
        batch_size=64,
        validation_fraction=0.1,
        callbacks=[EarlyStopping("val_loss", patience=3)],
    )
    pipeline = Pipeline([("scale", StandardScaler()), ("classifier", classifier)])

    # A step of the pipeline, its network, an option of that.
    grid = {"classifier__network__width": [16, 64], "classifier__network__dropout": [0.0, 0.3]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(learn, learn_digits)
    print(f"best of the grid         {search.best_params_}")
    print(f"its 3 folds              {search.best_score_:.4f}")

    scores = cross_val_score(search.best_estimator_, learn, learn_digits, cv=5)
    print(f"the same with 5 folds    {scores.mean():.4f} +- {scores.std():.4f}")

    history = search.best_estimator_["classifier"].history_
    print(f"epochs until it stopped  {len(history)} of {classifier.epochs}")

    file = Path("digits.pkl")
    file.write_bytes(pickle.dumps(search.best_estimator_))
    again = pickle.loads(file.read_bytes())  # only of a file that you trust, as with every pickle
    assert (again.predict_proba(held_out) == search.predict_proba(held_out)).all()
    print(f"held-out accuracy        {again.score(held_out, held_out_digits):.4f}")


if __name__ == "__main__":
    main()
