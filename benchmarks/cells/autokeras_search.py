"""AutoKeras in a process of its own: python autokeras_search.py texts|images FOLDER SECONDS.

The folder has `train`, `validation` and `test` as `.npz` of `x` and `y`; labels of the test rows are written to
`found.json`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import autokeras
import keras
import numpy as np

_EPOCHS = 20
_KINDS = {"texts": autokeras.TextClassifier, "images": autokeras.ImageClassifier}


class UntilThen(keras.callbacks.Callback):
    """Ends the trial that trains when the time is over, and lets no other begin."""

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends
        self.oracle: Any = None

    def __deepcopy__(self, memo: Any) -> UntilThen:  # AutoKeras copies callbacks for each trial
        return self

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.time() > self._ends:
            self.model.stop_training = True
            self.oracle.max_trials = 1


def main(kind: str, folder: Path, seconds: float) -> None:
    ends = time.time() + seconds
    parts = {part: np.load(folder / f"{part}.npz") for part in ("train", "validation", "test")}
    train, validation = ((parts[part]["x"], parts[part]["y"]) for part in ("train", "validation"))
    classifier = _KINDS[kind](max_trials=1_000, directory=folder / "autokeras", overwrite=True)
    until = UntilThen(ends)
    until.oracle = classifier.tuner.oracle
    # Its own early stopping given by hand, and validation data: without either it trains the best once more.
    stopping = keras.callbacks.EarlyStopping(patience=10, min_delta=1e-4)
    classifier.fit(*train, validation_data=validation, epochs=_EPOCHS, callbacks=[stopping, until], verbose=0)
    found = np.asarray(classifier.predict(parts["test"]["x"], verbose=0)).reshape(-1).tolist()
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
