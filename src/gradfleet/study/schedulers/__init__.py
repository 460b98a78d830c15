"""Schedulers: who may train on, epoch by epoch, by name or as a value with its settings."""

from gradfleet.study.schedulers.asha import Asha as Asha
from gradfleet.study.schedulers.hyperband import Hyperband as Hyperband
from gradfleet.study.schedulers.median import Median as Median
from gradfleet.study.schedulers.pasha import Pasha as Pasha
from gradfleet.study.schedulers.population import Population as Population
