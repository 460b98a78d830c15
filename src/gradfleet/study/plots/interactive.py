"""Interactive plots: Optuna's own, over an Optuna study made from our rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial
from optuna.trial import TrialState as OptunaState

from gradfleet.errors import SettingError
from gradfleet.study.plots.draw import arguments
from gradfleet.study.plots.facts import PlotFacts
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
    figure = optuna.visualization.plot_intermediate_values(_study(facts, metric=metric))
    return figure.update_layout(xaxis_title="epoch", yaxis_title=metric)


def _importance(facts: PlotFacts, _: Sequence[str], __: Sequence[str]) -> Any:
    from plotly.graph_objects import Bar, Figure

    # Optuna's own leaves out every dimension that some trial lacks, which is each one of a branch.
    shares = facts.importances
    bars = Bar(x=[*shares.values()][::-1], y=[*shares][::-1], orientation="h")
    return Figure(bars).update_layout(xaxis_title=f"share of the variation of {facts.objective.metric}")


def _parallel(facts: PlotFacts, _: Sequence[str], of: Sequence[str]) -> Any:
    params = list(facts.chosen(of, most=7))
    return optuna.visualization.plot_parallel_coordinate(
        _study(facts, filled=True), params=params, target_name=facts.objective.metric
    )


def _slice(facts: PlotFacts, _: Sequence[str], of: Sequence[str]) -> Any:
    params = list(facts.chosen(of, most=6))
    return optuna.visualization.plot_slice(_study(facts), params=params, target_name=facts.objective.metric)


def _contour(facts: PlotFacts, _: Sequence[str], of: Sequence[str]) -> Any:
    params = list(facts.pair(of))
    return optuna.visualization.plot_contour(_study(facts), params=params, target_name=facts.objective.metric)


def _pareto(facts: PlotFacts, metrics: Sequence[str], _: Sequence[str]) -> Any:
    from plotly.graph_objects import Figure, Scatter

    from gradfleet.study.plots.results import trade_off

    names, points, front = trade_off(facts, metrics)
    figure = Figure()
    for label, mode, shown in (("trials", "markers", points), ("front", "lines+markers", front)):
        x, y, text = [one[1] for one in shown], [one[2] for one in shown], [f"trial {one[0]}" for one in shown]
        figure.add_trace(Scatter(x=x, y=y, text=text, mode=mode, name=label))
    return figure.update_layout(xaxis_title=names[0], yaxis_title=names[1])


def _timeline(facts: PlotFacts, _: Sequence[str], __: Sequence[str]) -> Any:
    return optuna.visualization.plot_timeline(_study(facts))


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


def _study(facts: PlotFacts, *, metric: str | None = None, filled: bool = False) -> optuna.Study:
    """Our trials as Optuna's, with the value of the best record.

    Args:
        metric: of the values at each epoch; the objective's when not given.
        filled: what a trial's branch does not have is there with its default.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize" if facts.objective.mode == "max" else "minimize")
    finally:
        optuna.logging.set_verbosity(verbosity)
    values = {trial.number: value for trial, value in facts.usable}
    for trial in facts.trials:
        study.add_trial(
            _frozen(facts, trial, values.get(trial.number), metric or facts.objective.metric, filled=filled)
        )
    return study


def _frozen(facts: PlotFacts, trial: TrialRow, value: float | None, metric: str, *, filled: bool) -> FrozenTrial:
    state = _STATES[trial.state] if value is not None or trial.state in ("FAIL", "RUNNING") else OptunaState.FAIL
    params, distributions = {}, {}
    for name, dimension in facts.dimensions.items():
        if (filled or name in trial.config) and dimension.problem(
            given := trial.config.get(name, dimension.start)
        ) is None:
            fixed = FixedTrial({name: given})
            params[name] = dimension.suggest(fixed, name)
            distributions[name] = fixed.distributions[name]
    steps = {one.epoch: one.metrics[metric] for one in facts.curves.get(trial.number, ()) if metric in one.metrics}
    return FrozenTrial(
        number=trial.number,
        state=state,
        value=value if state is OptunaState.COMPLETE else None,
        datetime_start=datetime.fromtimestamp(trial.started),  # noqa: DTZ006  # Optuna's own have no zone
        datetime_complete=None if state is OptunaState.RUNNING else datetime.fromtimestamp(trial.ended or facts.now),  # noqa: DTZ006
        params=params,
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values=steps,
        trial_id=trial.number,
    )
