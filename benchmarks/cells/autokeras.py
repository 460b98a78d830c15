"""AutoKeras 3 on torch, which lives in a folder of its own (`make autokeras`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]

_SCRIPT = Path(__file__).with_name("autokeras_search.py")
_PACKAGES = Path(__file__).parents[2] / "build" / "autokeras"


def searched_by_autokeras(kind: str, parts: Mapping[str, Pair], budget: float) -> list[str] | None:
    """Labels of the test rows by its best model after `budget` seconds; None where it is not installed.

    Args:
        kind: "texts" or "images"; images are uint8 (rows, height, width, channels).
        parts: rows and labels of "train", "validation" and "test".
    """
    if not _PACKAGES.exists():
        return None
    environment = {**os.environ, "PYTHONPATH": str(_PACKAGES), "KERAS_BACKEND": "torch"}
    with tempfile.TemporaryDirectory() as place:
        for part, (x, y) in parts.items():
            np.savez(Path(place, part), x=x, y=y)
        # -P: else the script's own folder, which has this module in it, would come before the package of its name.
        command = [sys.executable, "-P", _SCRIPT, kind, place, str(budget)]
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
        return [str(one) for one in json.loads(Path(place, "found.json").read_text(encoding="utf-8"))]
