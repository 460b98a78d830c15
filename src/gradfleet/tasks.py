"""Presets by name: what is installed, how to make one, and the types that a preset is written with."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from gradfleet.automodel import AutoModel
from gradfleet.data.channels import channels_first as channels_first
from gradfleet.data.encoders import by_label as by_label
from gradfleet.data.examples import ArrayExamples as ArrayExamples
from gradfleet.data.examples import Inputs as Inputs
from gradfleet.data.examples import NamedInputs as NamedInputs
from gradfleet.data.feature_cache import FeatureCache as FeatureCache
from gradfleet.data.items import inputs_of as inputs_of
from gradfleet.data.labelled import labelled as labelled
from gradfleet.data.language import PretrainedTokenizer as PretrainedTokenizer
from gradfleet.data.language import TextInputs as TextInputs
from gradfleet.data.language import TextPreparation as TextPreparation
from gradfleet.data.language import TextTargets as TextTargets
from gradfleet.data.language import TrainedTokenizer as TrainedTokenizer
from gradfleet.data.prepared import DataFacts as DataFacts
from gradfleet.data.rows_by_name import RowsByName as RowsByName
from gradfleet.data.tables import is_table as is_table
from gradfleet.data.trained_rows import said_of_trained as said_of_trained
from gradfleet.data.vision import ImagePreparation as ImagePreparation
from gradfleet.export.formats import Exported as Exported
from gradfleet.fleet.addresses import is_service as is_service
from gradfleet.fleet.service_client import ServiceClient as ServiceClient
from gradfleet.fleet.service_order import order as order
from gradfleet.fleet.service_sweep import ServiceSweep as ServiceSweep
from gradfleet.search.narrowing import Narrowing as Narrowing
from gradfleet.search.space import When as When
from gradfleet.search.suggester import Value as Value
from gradfleet.study.driving.budget import Budget as Budget
from gradfleet.study.ensemble import Ensemble as Ensemble
from gradfleet.training.data_network import DataNetwork as DataNetwork
from gradfleet.training.evaluation import Evaluation as Evaluation
from gradfleet.training.history import EpochRecord as EpochRecord
from gradfleet.training.state.seeding import seed_everything as seed_everything
from gradfleet.trials.answers import Answering as Answering
from gradfleet.trials.checkpoints import read_checkpoint as read_checkpoint
from gradfleet.trials.checkpoints import write_checkpoint as write_checkpoint
from gradfleet.trials.explanation import Explanation as Explanation
from gradfleet.trials.plan import Config as Config
from gradfleet.trials.plan import TrialPlan as TrialPlan
from gradfleet.trials.predictor import ModelPredictor as ModelPredictor
from gradfleet.trials.recipe import Recipe as Recipe
from gradfleet.trials.recipe import Report as Report
from gradfleet.trials.recipes import TASKS, task_entry_point
from gradfleet.trials.recipes import TaskReference as TaskReference
from gradfleet.trials.results import Results as Results
from gradfleet.trials.sources import digest_of as digest_of
from gradfleet.trials.tailoring import Situation as Situation
from gradfleet.trials.tailoring import Tailor as Tailor
from gradfleet.trials.tailoring import Tailoring as Tailoring


def available_tasks() -> list[str]:
    """The names that `autotask` takes, of every installed package that brings presets."""
    return sorted(entry_points(group=TASKS).names)


def autotask(name: str, data: Any, **options: Any) -> Any:
    """The preset of that name over `data`: `autotask("image-classification", "flowers/")`.

    Args:
        options: of the preset's own constructor.

    Raises:
        NotFoundError: no such preset is installed; the nearest name is suggested.
    """
    return task_entry_point(name).load()(data, **options)


def task_model(name: str, backbones: Sequence[str] = ()) -> AutoModel:
    """The search of a preset without data: its objective and its space.

    Raises:
        NotFoundError: no such preset is installed.
        SettingError: a backbone cannot be read.
    """
    model: AutoModel = task_entry_point(name).load().automodel(backbones)
    return model


def task_options(name: str) -> dict[str, Any]:
    """What a preset's constructor takes beside its data, with the defaults.

    Raises:
        NotFoundError: no such preset is installed.
    """
    return {one.name: one.default for one in _options(task_entry_point(name).load())}


def task_option_kinds(name: str) -> dict[str, Any]:
    """The type of each option of a preset, as its author wrote it; Any where only a type checker can read that.

    Raises:
        NotFoundError: no such preset is installed.
    """
    preset = task_entry_point(name).load()
    try:
        return {one.name: one.annotation for one in _options(preset, eval_str=True)}
    except NameError:
        return dict.fromkeys((one.name for one in _options(preset)), Any)


def _options(preset: Any, *, eval_str: bool = False) -> list[inspect.Parameter]:
    parameters = inspect.signature(preset, eval_str=eval_str).parameters.values()
    return [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]


def task_summary(name: str) -> str:
    """The first sentence of a preset's own documentation.

    Raises:
        NotFoundError: no such preset is installed.
    """
    try:
        preset = task_entry_point(name).load()
    except ImportError as error:
        return f"(cannot be loaded: {error})"
    return (inspect.getdoc(preset) or "").partition("\n")[0]
