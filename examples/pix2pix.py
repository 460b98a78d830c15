"""Image to image with a conditional GAN: handwritten digits are drawn again from their outlines.

    python examples/pix2pix.py

The model overrides `__init__` (a generator and a discriminator), `compile` (an optimizer for each) and
`training_step` (two steps by hand). About 10 seconds on one core.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from gradfleet import Model
from gradfleet.training.step import inputs_of


def paired_digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Outlines and the digits that they are of, 8x8 pixels between -1 and 1."""
    digits = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    inner = -torch.nn.functional.max_pool2d(-digits, 3, stride=1, padding=1)
    return (digits - inner).clamp(0, 2) - 1, digits


class Pix2Pix(Model):
    """A generator that turns one image into another, and a discriminator that sees both."""

    def __init__(self, width: int = 32) -> None:
        generator = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 3, padding=1),
            nn.Tanh(),
        )
        discriminator = nn.Sequential(
            nn.Conv2d(2, width, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 3, padding=1)
        )
        super().__init__({"generator": generator, "discriminator": discriminator})

    def compile(self, *, learning_rate: float = 2e-3, closeness: float = 10.0) -> Self:  # type: ignore[override]
        self.closeness = closeness
        return super().compile(
            kind="regression",
            optimizer={"generator": "adam", "discriminator": "adam"},
            learning_rate={"generator": learning_rate, "discriminator": learning_rate / 4},
            optimizer_options={name: {"betas": (0.5, 0.999)} for name in self.networks},
            metrics=[],
        )

    def training_step(self, batch: Any) -> None:
        outlines, digits = batch
        drawn = self.networks["generator"](outlines)

        loss = (self.judge(outlines, digits, real=True) + self.judge(outlines, drawn.detach(), real=False)) / 2
        self.backward(loss)
        self.step("discriminator")
        self.log("discriminator_loss", loss)

        closeness = l1_loss(drawn, digits)
        self.backward(self.judge(outlines, drawn, real=True) + self.closeness * closeness, "generator")
        self.step("generator")
        self.log("closeness", closeness)

    def validation_step(self, batch: Any) -> torch.Tensor:
        outlines, digits = batch
        return l1_loss(self.networks["generator"](outlines), digits)

    def predict_step(self, batch: Any) -> torch.Tensor:
        return self.networks["generator"](inputs_of(batch))

    def judge(self, outlines: torch.Tensor, images: torch.Tensor, *, real: bool) -> torch.Tensor:
        """How far the discriminator is from saying that the images are real, or that they are not."""
        said = self.networks["discriminator"](torch.cat([outlines, images], dim=1))
        return binary_cross_entropy_with_logits(said, torch.full_like(said, float(real)))


def main() -> None:
    torch.manual_seed(0)
    outlines, digits = paired_digits()
    model = Pix2Pix().compile()
    history = model.fit((outlines[:1500], digits[:1500]), (outlines[1500:], digits[1500:]), epochs=5)
    for record in history:
        print(
            f"epoch {record.epoch}: discriminator {record['train_discriminator_loss']:.3f}, L1 {record['val_loss']:.3f}"
        )
    drawn = model.predict(outlines[1500:1501])[0, 0]
    for rows in zip(outlines[1500, 0], drawn, digits[1500, 0], strict=True):
        print("   ".join("".join(" .:*#"[int((one + 1) / 2 * 4.99)] for one in row.tolist()) for row in rows))


if __name__ == "__main__":
    main()
