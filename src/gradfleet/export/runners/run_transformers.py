"""run_transformers.py EXPORT INPUTS OUTPUTS: run an exported folder with transformers and torch alone."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn.functional import interpolate

export, inputs, outputs = sys.argv[1:]
name = json.loads(Path(export, "config.json").read_text(encoding="utf-8"))["architectures"][0]
network = getattr(transformers, name).from_pretrained(export, local_files_only=True).eval()
said = Path(export, "preprocessor_config.json")
wanted = json.loads(said.read_text(encoding="utf-8")) if said.exists() else None


def prepared(images: torch.Tensor) -> torch.Tensor:
    """Images as their processor makes them; torchvision, which processors may ask for, is not needed for that."""
    if wanted is None:
        return images
    pixels = (images.float() / 255 if images.dtype == torch.uint8 else images).expand(-1, 3, -1, -1)
    size = wanted["size"]["height"], wanted["size"]["width"]
    if tuple(pixels.shape[2:]) != size:
        pixels = interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
    mean, deviation = (torch.tensor(wanted[one]).view(1, 3, 1, 1) for one in ("image_mean", "image_std"))
    return (pixels - mean) / deviation


rows = {name: torch.from_numpy(tensor) for name, tensor in np.load(inputs).items()}
found = []
for start in range(0, len(next(iter(rows.values()))), 64):
    batch = {name: tensor[start : start + 64] for name, tensor in rows.items()}
    with torch.no_grad():
        said_of = network(prepared(batch["inputs"])) if list(batch) == ["inputs"] else network(**batch)
    found.append(said_of.logits)
np.save(outputs, torch.cat(found).float().numpy())
assert "gradfleet" not in sys.modules
