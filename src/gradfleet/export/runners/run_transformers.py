"""run_transformers.py EXPORT INPUTS OUTPUTS: run an exported folder with transformers and torch alone."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from torch.nn.functional import interpolate

export, inputs, outputs = sys.argv[1:]
name = json.loads(Path(export, "config.json").read_text(encoding="utf-8"))["architectures"][0]
network = getattr(transformers, name).from_pretrained(export, local_files_only=True).eval()
said = Path(export, "preprocessor_config.json")
head = load_file(Path(export, "head.safetensors")) if Path(export, "head.safetensors").exists() else None
wanted = json.loads(said.read_text(encoding="utf-8")) if said.exists() else None


def prepared(images: torch.Tensor) -> torch.Tensor:
    """Images as their processor makes them; torchvision, which processors may ask for, is not needed for that."""
    if wanted is None:
        return images
    pixels = (images.float() / 255 if images.dtype == torch.uint8 else images).expand(-1, 3, -1, -1)
    height, width = pixels.shape[2:]
    if "crop_size" in wanted:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[:, :, top : top + side, left : left + side]
    sides = wanted.get("crop_size", wanted["size"])
    size = sides["height"], sides["width"]
    if tuple(pixels.shape[2:]) != size:
        pixels = interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
    mean, deviation = (torch.tensor(wanted[one]).view(1, 3, 1, 1) for one in ("image_mean", "image_std"))
    return (pixels - mean) / deviation


def outputs_of(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the network says of a batch; an encoder beside a linear layer gives it the means of its later layers."""
    if head is None:
        said_of = network(prepared(batch["inputs"])) if list(batch) == ["inputs"] else network(**batch)
        logits: torch.Tensor = said_of.logits
        return logits
    layers = head["weight"].shape[1] // network.config.hidden_size
    states = torch.cat(network(**batch, output_hidden_states=True).hidden_states[-layers:], dim=2)
    there = batch["attention_mask"][..., None].float()
    return (states * there).sum(1) / there.sum(1).clamp(min=1) @ head["weight"].T + head["bias"]


rows = {name: torch.from_numpy(tensor) for name, tensor in np.load(inputs).items()}
found = []
for start in range(0, len(next(iter(rows.values()))), 64):
    batch = {name: tensor[start : start + 64] for name, tensor in rows.items()}
    with torch.no_grad():
        found.append(outputs_of(batch))
np.save(outputs, torch.cat(found).float().numpy())
assert "gradfleet" not in sys.modules
