"""run_program.py EXPORT INPUTS OUTPUTS: run an exported program with torch alone."""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")
export, inputs, outputs = sys.argv[1:]
network = torch.export.load(Path(export, "program.pt2")).module()
rows = torch.from_numpy(np.load(inputs))
with torch.no_grad():
    found = torch.cat([network(rows[start : start + 256]) for start in range(0, len(rows), 256)])
np.save(outputs, found.float().numpy())
assert "gradfleet" not in sys.modules
