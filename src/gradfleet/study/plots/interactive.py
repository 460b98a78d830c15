"""Interactive plots: Optuna's own, over an Optuna study made from our rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from gradfleet.errors import NoUsableTrialError, SettingError
from gradfleet.study.plots.draw import arguments
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.plots.importance import distribution, quiet_study
from gradfleet.study.plots.results import OUTSIDE, check_metrics, trade_off
from gradfleet.study.storage.rows import TrialRow

_STATES = {
    "COMPLETE": OptunaState.COMPLETE,
    "PRUNED": OptunaState.COMPLETE,  # it has a result too, and Optuna draws none of a pruned trial
    "FAIL": OptunaState.FAIL,
    "RUNNING": OptunaState.RUNNING,
}


def interactive(kind: str, facts: PlotFacts, *, metrics: Sequence[str] = (), of: Sequence[str] = ()) -> Any:
    """A plotly figure.

    Raises:
        SettingError: no plot is called so, it does not take what was given, or plotly is not installed.
        NoUsableTrialError: there is no result to draw.
    """
    arguments(kind, metrics=metrics, dimensions=of)
    try:
        import plotly  # noqa: F401
    except ImportError as error:
        raise SettingError('Interactive plots need plotly: pip install "gradfleet[plots]".') from error
    _ = facts.usable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        figure = _MAKERS[kind](facts, metrics, of)
    return figure.update_layout(template="plotly_white", title={"text": f"{facts.name}: {kind}"})


def _history(facts: PlotFacts, _: Sequence[str], __: Sequence[str]) -> Any:
    return optuna.visualization.plot_optimization_history(_study(facts), target_name=facts.objective.metric)


def _curves(facts: PlotFacts, metrics: Sequence[str], _: Sequence[str]) -> Any:
    metric = (metrics or [facts.objective.metric])[0]
    check_metrics([metric], (record for records in facts.curves.values() for record in records))
    figure = optuna.visualization.plot_intermediate_values(_study(facts, metric=metric))
    some = f" ({len(facts.curves)} of {len(facts.trials):,} trials)" if facts.are_some else ""
    return figure.update_layout(xaxis_title="epoch", yaxis_title=f"{metric}{some}")


def _importance(facts: PlotFacts, _: Sequence[str], __: Sequence[str]) -> Any:
    from plotly.graph_objects import Bar, Figure

    # Optuna's own leaves out every dimension that some trial lacks, which is each one of a branch.
    shares = facts.importances
    bars = Bar(x=[*shares.values()][::-1], y=[*shares][::-1], orientation="h")
    return Figure(bars).update_layout(xaxis_title=f"share of the variation of {facts.objective.metric}")


def _parallel(facts: PlotFacts, _: Sequence[str], of: Sequence[str]) -> Any:
    params = list(facts.chosen(of, most=7))
    return optuna.visualization.plot_parallel_coordinate(
        _study(facts, params, filled=True), params=params, target_name=facts.objective.metric
    )


def _slice(facts: PlotFacts, _: Sequence[str], of: Sequence[str]) -> Any:
    params = list(facts.chosen(of, most=6))
    study = _study_with(facts, params)
    return optuna.visualization.plot_slice(study, params=params, target_name=facts.objective.metric)


def _contour(facts: PlotFacts, _: Sequence[str], of: Sequence[str]) -> Any:
    params = list(facts.pair(of))
    study = _study_with(facts, params)
    return optuna.visualization.plot_contour(study, params=params, target_name=facts.objective.metric)


def _pareto(facts: PlotFacts, metrics: Sequence[str], _: Sequence[str]) -> Any:
    from plotly.graph_objects import Figure, Scatter

    found = trade_off(facts, metrics)
    figure = Figure()
    outside = [(OUTSIDE, "markers", found.outside)] if found.outside else []
    for label, mode, shown in (("trials", "markers", found.points), *outside, ("front", "lines+markers", found.front)):
        x, y, text = [one[1] for one in shown], [one[2] for one in shown], [f"trial {one[0]}" for one in shown]
        figure.add_trace(Scatter(x=x, y=y, text=text, mode=mode, name=label))
    return figure.update_layout(xaxis_title=found.names[0], yaxis_title=found.names[1])


def _timeline(facts: PlotFacts, _: Sequence[str], __: Sequence[str]) -> Any:
    return optuna.visualization.plot_timeline(_study(facts, list(facts.dimensions)))


_MAKERS: dict[str, Callable[[PlotFacts, Sequence[str], Sequence[str]], Any]] = {
    "history": _history,
    "curves": _curves,
    "importance": _importance,
    "parallel": _parallel,
    "slice": _slice,
    "contour": _contour,
    "pareto": _pareto,
    "timeline": _timeline,
}


def _study_with(facts: PlotFacts, params: Sequence[str]) -> optuna.Study:
    """
    Raises:
        NoUsableTrialError: no trial with a result has one of these dimensions, such as that of a branch nobody took.
    """
    study = _study(facts, params)
    drawn = {name for trial in study.get_trials(deepcopy=False, states=[OptunaState.COMPLETE]) for name in trial.params}
    if missing := [name for name in params if name not in drawn]:
        raise NoUsableTrialError(f"No trial with a result has {' or '.join(missing)} yet, so it cannot be drawn.")
    return study


def _study(
    facts: PlotFacts, params: Sequence[str] = (), *, metric: str | None = None, filled: bool = False
) -> optuna.Study:
    """Our trials as Optuna's, with the value of the best record.

    Args:
        params: the dimensions that are drawn.
        metric: of the values at each epoch, which only the trials that curves are drawn of have.
        filled: what a trial's branch does not have is there with its default.
    """
    study = quiet_study("maximize" if facts.objective.mode == "max" else "minimize")
    values = {trial.number: value for trial, value in facts.usable}
    dimensions = {name: facts.dimensions[name] for name in params}
    distributions = {name: distribution(name, dimension) for name, dimension in dimensions.items()}
    for trial in facts.trials if metric is None else (facts.board.trials[number] for number in facts.curves):
        given = {name: trial.config.get(name, one.start) for name, one in dimensions.items()}
        drawn = {
            name: given[name]
            for name, one in dimensions.items()
            if (filled or name in trial.config) and one.problem(given[name]) is None
        }
        frozen = _frozen(trial, values.get(trial.number), now=facts.now)
        frozen.params, frozen.distributions = drawn, {name: distributions[name] for name in drawn}
        if metric is not None:
            records = facts.curves[trial.number]
            frozen.intermediate_values = {one.epoch: one.metrics[metric] for one in records if metric in one.metrics}
        study.add_trial(frozen)
    return study


def _frozen(trial: TrialRow, value: float | None, *, now: float) -> FrozenTrial:
    state = _STATES[trial.state] if value is not None or trial.state in ("FAIL", "RUNNING") else OptunaState.FAIL
    return FrozenTrial(
        number=trial.number,
        state=state,
        value=value if state is OptunaState.COMPLETE else None,
        datetime_start=datetime.fromtimestamp(trial.started),  # noqa: DTZ006  # Optuna's own have no zone
        datetime_complete=None if state is OptunaState.RUNNING else datetime.fromtimestamp(trial.ended or now),  # noqa: DTZ006
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=trial.number,
    )
