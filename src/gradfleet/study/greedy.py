"""Greedy selection of an ensemble, with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Score = Callable[[Sequence[int]], tuple[float, ...]]


def greedy_selection(count: int, score: Score, *, size: int) -> list[int]:
    """Which of `count` models to average, one as often as it is named: the best bag that was found, the smallest first.

    Caruana et al., 2004, "Ensemble selection from libraries of models": begin with the best model, then add, again and
    again, whichever makes the mean of all of them the best; one that is there may be added again, which gives weights.
    The best bag on the way is taken, so that it is never worse than the best model alone.

    Args:
        score: of a bag of models, by parts; the larger the better, a further part tells equals apart.
        size: additions at most.

    Example:
        >>> greedy_selection(3, lambda bag: (-abs(sum(bag) / len(bag) - 0.75),), size=10)
        [1, 0, 1, 1]
    """
    bag: list[int] = []
    best, best_score = bag, None
    for _ in range(size):
        scores = [score([*bag, one]) for one in range(count)]
        highest = max(scores)
        bag = [*bag, scores.index(highest)]
        if best_score is None or highest > best_score:
            best, best_score = bag, highest
    return best
