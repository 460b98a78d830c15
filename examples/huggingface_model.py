"""A model of Hugging Face transformers, made from a configuration, trained and fine-tuned like any other network.

    python examples/huggingface_model.py

A batch is a dict: what is under "labels" are the targets, all else goes to the network by name, and of what it
returns `.logits` are the outputs. A few seconds on one core; nothing is downloaded.
"""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification

from gradfleet import EarlyStopping, Model

WORDS, LENGTH = 50, 12


def sentences(number: int) -> list[dict[str, torch.Tensor]]:
    """Random words, of class 1 when word 7 is among them."""
    words = torch.randint(8, WORDS, (number, LENGTH))
    labels = torch.arange(number) % 2
    words[labels == 1, torch.randint(LENGTH, (number,))[labels == 1]] = 7
    mask = torch.ones_like(words)
    rows = zip(words, mask, labels, strict=True)
    return [{"input_ids": ids, "attention_mask": there, "labels": label} for ids, there, label in rows]


def main() -> None:
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    network = BertForSequenceClassification(BertConfig(vocab_size=WORDS, num_labels=2, **size))
    train = DataLoader(sentences(800), batch_size=32, shuffle=True)  # type: ignore[arg-type]  # a list is a dataset
    held_out = DataLoader(sentences(200), batch_size=64)  # type: ignore[arg-type]

    model = Model(network).compile("cross_entropy", optimizer="adamw", learning_rate=2e-3, metrics=["accuracy"])
    stopping = EarlyStopping("val_accuracy", mode="max", patience=2)
    for record in model.fit(train, held_out, epochs=8, callbacks=[stopping]):
        print(f"epoch {record.epoch}: loss {record['train_loss']:.3f}, accuracy {record['val_accuracy']:.3f}")
    print(f"held out: {model.evaluate(held_out)['accuracy']:.3f}")


if __name__ == "__main__":
    main()
