"""Presets: a data path in, a tuned model out. Built on gradfleet's public names alone."""

from __future__ import annotations

from autotasks.image_classification import AutoImageClassifier
from autotasks.sentiment import AutoSentimentClassifier, Sentiment, sentiments
from autotasks.summarization import AutoSummarizer
from autotasks.task import AutoTask
from autotasks.text_classification import AutoTextClassifier

__all__ = [
    "AutoImageClassifier",
    "AutoSentimentClassifier",
    "AutoSummarizer",
    "AutoTask",
    "AutoTextClassifier",
    "Sentiment",
    "sentiments",
]
