"""A space with branches in branches: each kernel of a support vector machine has dimensions of its own.

The trainer is scikit-learn here; a function can search anything that gives a number.

python examples/conditional_space.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from gradfleet import AutoModel, Choice, Entry, Float, Int, Objective, SearchSpace, When

CURVED = When("kernel", ("rbf", "poly"))
SPACE = SearchSpace(
    (
        Entry("C", Float(1e-2, 1e2, log=True)),
        Entry("kernel", Choice("linear", "rbf", "poly")),
        Entry("scaled", Choice(True, False), (CURVED,)),
        Entry("gamma", Float(1e-4, 1e-1, log=True), (CURVED, When("scaled", (False,)))),
        Entry("degree", Int(2, 5), (When("kernel", ("poly",)),)),
    )
)


def train(config, report):
    pixels, digits = load_digits(return_X_y=True)
    settings = {name: value for name, value in config.items() if name != "scaled"}
    model = SVC(**({"gamma": "scale"} if config.get("scaled") else {}) | settings)
    report({"accuracy": cross_val_score(model, pixels[:600], digits[:600], cv=3).mean()})


def main() -> None:
    study = AutoModel.from_function(train, SPACE, Objective("accuracy", "max")).fit(trials=15, cluster="inline")
    for trial in study.trials:
        print(f"trial {trial.number}: {trial.value:.4f} {dict(trial.config)}")


if __name__ == "__main__":
    main()
