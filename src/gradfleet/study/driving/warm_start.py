"""A start from what earlier studies of the same store have found on data like this."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradfleet.errors import SpaceError
from gradfleet.goal import Aim, aim_from_json
from gradfleet.search.space import SearchSpace
from gradfleet.study.board import Board
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.trials.plan import Config

AT_MOST = 5
"""Configurations that are taken over; a third of a search's trials at most, so that it still searches."""

_OVERLAP = 0.5  # of a configuration must come from the earlier study, the rest is filled with defaults
_FARTHEST = 6.0  # sum of the logarithms by which sizes differ; two images of 28 and 224 pixels are 4.2 apart


def taken_over(
    store: Store,
    spec: Mapping[str, Any],
    *,
    fingerprint: str | None,
    known: Sequence[Config] = (),
    trials: int | None = None,
) -> list[dict[str, Any]]:
    """What a new study with this spec takes over from the others of its store: `study`, `trial` and `config` each.

    Asked are studies after the same first objective, on data of the same kind and rank whose number of rows, classes
    and inputs is not too different (the same data is nearest), or of the same training function; and of those the
    configurations whose dimensions are mostly of this space too. The best of each study come first, nearest first,
    then the second best of each. A study that is the same search in everything, its seed and budget included, is
    not asked: a search that is made again gives the same trials again.

    Args:
        known: configurations that are tried anyway.
        trials: how many the search may have in all, those included; None for no limit.
    """
    room = AT_MOST if trials is None else min(AT_MOST, max(0, trials - len(known)) // 3)
    seen, taken = [dict(config) for config in known], list[dict[str, Any]]()
    for candidate in _candidates(store, spec, fingerprint):
        if len(taken) < room and candidate["config"] not in seen:
            seen.append(candidate["config"])
            taken.append(candidate)
    return taken


def said(taken: Sequence[Mapping[str, Any]]) -> str:
    """What was taken from where, in one line."""
    trials: dict[str, list[str]] = {}
    for one in taken:
        trials.setdefault(one["study"], []).append(str(one["trial"]))
    sources = [f"{name!r} ({', '.join(found)})" for name, found in trials.items()]
    return f"Warm start with the best trials of {' and of '.join(sources)}; warm_start=False starts cold."


def configs_of(spec: Mapping[str, Any]) -> list[Config]:
    """What a study with this spec was started from."""
    return [one["config"] for one in spec.get("search", {}).get("warm_start", ())]


def _candidates(store: Store, spec: Mapping[str, Any], fingerprint: str | None) -> Iterator[dict[str, Any]]:
    space, objective = SearchSpace.from_json(spec["space"]), aim_from_json(spec["objective"])
    found: list[tuple[int, float, int, dict[str, Any]]] = []
    for study in store.studies():
        same_data = study.fingerprint == fingerprint
        if same_data and _search(study.spec) == _search(spec):
            continue
        distance = 0.0 if same_data and fingerprint else _distance(study.spec, spec)
        if distance <= _FARTHEST and _same_aim(study.objective, objective):
            for place, (share, one) in enumerate(_best_of(store, study, space)):
                found.append((place, distance + 1 - share, -study.id, one))
    yield from (one for *_, one in sorted(found, key=lambda candidate: candidate[:3]))


def _best_of(store: Store, study: StudyRow, space: SearchSpace) -> list[tuple[float, dict[str, Any]]]:
    """The study's best configurations as this space has them, each with the share that is its own."""
    ranking = Board(store, study).ranking()
    best: list[tuple[float, dict[str, Any]]] = []
    for number in ranking.usable[: 2 * AT_MOST]:
        own = {name: value for name, value in ranking.trials[number].config.items() if _fits(space, name, value)}
        try:
            config = space.complete(own)
        except SpaceError:  # values that fit one by one and not together
            continue
        share = len(own) / len(config) if config else 0.0
        if share >= _OVERLAP:
            best.append((share, {"study": study.name, "trial": number, "config": config}))
    return best


def _search(spec: Mapping[str, Any]) -> Any:
    """All that decides which trials a study has, but for what it was started from; where they run does not."""
    told = {part: spec.get(part) for part in ("objective", "space", "training", "runs", "search")}
    told["search"] = {
        name: value for name, value in spec.get("search", {}).items() if name not in ("warm_start", "cluster")
    }
    return json.loads(json.dumps(told))


def _fits(space: SearchSpace, name: str, value: Any) -> bool:
    return name in space.names and not space[name].problem(value)


def _same_aim(one: Aim, other: Aim) -> bool:
    return (one.metric, one.mode) == (other.metric, other.mode)


def _distance(earlier: Mapping[str, Any], spec: Mapping[str, Any]) -> float:
    """How different the data of two studies is; infinite where nothing can be told from one of the other."""
    mine, theirs = spec.get("facts"), earlier.get("facts")
    if mine is None or theirs is None:
        return 0.0 if mine is theirs and _same_function(earlier, spec) else math.inf
    if mine["kind"] != theirs["kind"] or len(mine["input_shape"]) != len(theirs["input_shape"]):
        return math.inf
    sizes = zip(_sizes(mine), _sizes(theirs), strict=True)
    return sum(abs(math.log(max(one, 1) / max(other, 1))) for one, other in sizes)


def _same_function(earlier: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether both are of the function of that name, whose text may have changed; a lambda is told by its text."""
    name = spec.get("function")
    if name is None or name != earlier.get("function"):
        return False
    return not name.endswith("<lambda>") or spec["training"] == earlier["training"]


def _sizes(facts: Mapping[str, Any]) -> list[float]:
    return [facts["num_rows"].get("train", 1), facts["num_outputs"], *facts["input_shape"]]
