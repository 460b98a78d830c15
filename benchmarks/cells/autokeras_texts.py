"""AutoKeras over texts, in a process of its own: python autokeras_texts.py FOLDER SECONDS.

The folder has `data.json`; labels of its test texts are written to `found.json`.
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


def main(folder: Path, seconds: float) -> None:
    ends = time.time() + seconds
    data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    parts = {part: (np.array(rows["text"]), np.array(rows["label"])) for part, rows in data.items()}
    classifier = autokeras.TextClassifier(max_trials=1_000, directory=folder / "autokeras", overwrite=True)
    until = UntilThen(ends)
    until.oracle = classifier.tuner.oracle
    # Its own early stopping given by hand, and validation data: without either it trains the best once more.
    stopping = keras.callbacks.EarlyStopping(patience=10, min_delta=1e-4)
    classifier.fit(
        *parts["train"], validation_data=parts["validation"], epochs=_EPOCHS, callbacks=[stopping, until], verbose=0
    )
    found = np.asarray(classifier.predict(parts["test"][0], verbose=0)).reshape(-1).tolist()
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
