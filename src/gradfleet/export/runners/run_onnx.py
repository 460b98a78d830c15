"""run_onnx.py EXPORT INPUTS OUTPUTS: run an ONNX graph with onnxruntime alone."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

export, inputs, outputs = sys.argv[1:]
session = onnxruntime.InferenceSession(Path(export, "model.onnx"), providers=["CPUExecutionProvider"])
rows = dict(np.load(inputs))
found = [
    session.run(None, {name: tensor[start : start + 256] for name, tensor in rows.items()})[0]
    for start in range(0, len(next(iter(rows.values()))), 256)
]
np.save(outputs, np.concatenate(found).astype(np.float32))
assert "gradfleet" not in sys.modules
assert "torch" not in sys.modules
