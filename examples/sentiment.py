"""What is thought of a hotel, from reviews with stars: a label and a score from -1 to 1.

    python examples/sentiment.py

The reviews are put together from parts. Takes half a minute.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pandas

from autotasks import AutoSentimentClassifier

WORDS = {
    1: ["dirty", "awful", "rude", "broken"],
    3: ["fine", "ordinary", "plain", "acceptable"],
    5: ["wonderful", "spotless", "charming", "superb"],
}
PLACES = ["room", "breakfast", "staff", "pool", "view"]


def reviews(rows: int) -> pandas.DataFrame:
    draw = random.Random(0)
    stars = [draw.choice(list(WORDS)) for _ in range(rows)]
    texts = [
        " and the ".join(f"{draw.choice(PLACES)} was {draw.choice(WORDS[one])}" for _ in range(2)) for one in stars
    ]
    return pandas.DataFrame({"text": [f"The {text}." for text in texts], "stars": stars})


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sentiment = AutoSentimentClassifier(reviews(300), target="stars")
        sentiment.fit(trials=3, epochs=4, cluster="inline", store=Path(folder, "study.db"))
        for text in ("The staff was rude.", "The view was plain.", "The breakfast was superb."):
            found = sentiment.predict([text])[0]
            print(f"{found.label} stars, score {found.score:+.2f}: {text}")


if __name__ == "__main__":
    main()
