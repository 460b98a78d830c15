"""Run one plan: the same few steps in this process, in a Ray worker, and in a test."""

from __future__ import annotations

import os
import traceback

import torch

from gradfleet.errors import TrialStopped
from gradfleet.trials.output import kept_output
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Recipe, Report
from gradfleet.trials.space import no_space


def run_trial(recipe: Recipe, plan: TrialPlan, report: Report) -> str | None:
    """Run `plan` and report each of its records; the traceback when it raised, else None.

    The worker's thread count is set for the trial and put back; the recipe seeds from `plan.seed`. What it prints is
    kept at `plan.log`.

    Raises:
        NoSpaceError: a disk is full, which is no fault of the trial.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(min(plan.threads, os.cpu_count() or 1))  # OpenMP ends a process that asks for a million
    try:
        with kept_output(plan.log, report, goes_on=plan.attempted) as silent:
            recipe.run(plan, silent)
    except TrialStopped:
        return None
    except (Exception, SystemExit) as error:  # a trial that exits must not end its worker, or this process
        full = no_space(error)
        if full is not None:
            raise full from error
        return traceback.format_exc()
    finally:
        torch.set_num_threads(threads)
    return None
