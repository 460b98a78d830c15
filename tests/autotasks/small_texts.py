"""Sentences about films, each with a word that tells what is thought of one."""

from __future__ import annotations

import random

import pandas

FILMS = {"good": ["lovely", "warm", "brilliant", "moving"], "bad": ["dreadful", "dull", "clumsy", "hollow"]}


def films(rows: int, *, seed: int = 0) -> pandas.DataFrame:
    """Sentences with one telling word each, in a column `text`, and their `label`."""
    draw = random.Random(seed)
    labels = [("good", "bad")[number % 2] for number in range(rows)]
    texts = [
        f"The {draw.choice(['plot', 'cast', 'score', 'ending'])} of film {number} is {draw.choice(FILMS[label])}"
        f"{draw.choice(['', ', I think', ' and long', '!'])}"
        for number, label in enumerate(labels)
    ]
    return pandas.DataFrame({"text": texts, "label": labels})
