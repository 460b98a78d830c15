"""How near a search comes to the best: ours and its peers on tabulated results, where no trial costs anything.

    python benchmarks/regret.py [--seeds 30] [--data curves svm] [--methods gradfleet optuna-tpe] [--again gradfleet]

The regret of a search is (best - found) / (best - worst) of its data set, after as many epochs as 10, 20 and 50 full
trainings have; found is the best record so far. Every finished search is kept in build/regret.jsonl, so the run may be
interrupted and goes on where it was; `--again` runs the searches of a method anew.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy
import optuna
from optuna.trial import TrialState
from tabulated.methods import METHODS, Search
from tabulated.tables import Draws, Table, tables

BUDGETS = (10, 20, 50)
"""Full trainings."""

BUILD = Path(__file__).parents[1] / "build"


@dataclass(frozen=True)
class Cell:
    """One finished search: the regret at each budget, how many trials it made, and what an ask took."""

    method: str
    table: str
    seed: int
    regrets: list[float]
    trials: int
    ask_ms: float

    @property
    def key(self) -> tuple[str, str, int]:
        return self.method, self.table, self.seed


@dataclass
class Race:
    """A search under way, until it has trained `BUDGETS[-1]` times as many epochs as one full training has."""

    table: Table
    search: Search
    draws: Draws
    spent: int = 0
    found: float = -numpy.inf

    def run(self) -> tuple[list[float], list[float]]:
        """The regret at each budget, and the seconds of each ask."""
        regrets: list[float] = []
        asks: list[float] = []
        if self.search.given is not None:
            self.search.study.enqueue_trial(self.search.given)
        while len(regrets) < len(BUDGETS):
            trial, curve, seconds = self._ask(len(asks))
            asks.append(seconds)
            regrets += self._train(trial, curve)
        return regrets, asks

    def _ask(self, number: int) -> tuple[optuna.Trial, list[float], float]:
        started = time.perf_counter()
        self.search.study.sampler = self.search.sampler_for(number)
        trial = self.search.study.ask()
        config = self.table.space(trial)
        return trial, self.draws.curve(config).tolist(), time.perf_counter() - started

    def _train(self, trial: optuna.Trial, curve: list[float]) -> Iterator[float]:
        """The regret at each budget that is reached on the way."""
        budgets = [budget * self.table.epochs for budget in BUDGETS]
        for epoch, value in enumerate(curve, start=1):
            trial.report(value, epoch)
            self.spent += 1
            self.found = max(self.found, value)
            if self.spent in budgets:
                yield self.table.regret(self.found)
            if epoch < len(curve) and not self.search.goes_on(trial, epoch, value):
                break
        self.search.ended(trial.number, epoch, value)
        if epoch == len(curve):
            self.search.study.tell(trial, self.search.told(curve))
        else:
            self.search.study.tell(trial, state=TrialState.PRUNED)


def cell(method: str, table: Table, seed: int, *, repeats: bool) -> Cell:
    regrets, asks = Race(table, METHODS[method](table, seed), Draws(table, repeats=repeats)).run()
    return Cell(method, table.name, seed, regrets, len(asks), 1000 * float(numpy.median(asks)))


def main() -> None:
    options = _options()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = [table for table in tables() if table.name.startswith(tuple(options.data))]
    file = BUILD / ("regret-repeats.jsonl" if options.repeats else "regret.jsonl")
    cells = {key: each for key, each in kept(file).items() if key[0] not in options.again}
    for seed in range(options.seeds):
        for method in options.methods:
            for table in known:
                if (method, table.name, seed) not in cells:
                    done = cell(method, table, seed, repeats=options.repeats)
                    cells[done.key] = done
                    keep(file, done)
    report(cells, known, options.methods, options.seeds)


def kept(file: Path) -> dict[tuple[str, str, int], Cell]:
    """The searches that were finished before; of one that was run anew, the last."""
    lines = file.read_text().splitlines() if file.exists() else []
    cells = [Cell(**json.loads(line)) for line in lines]
    return {each.key: each for each in cells}


def keep(file: Path, done: Cell) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(done)) + "\n")


def report(cells: dict[tuple[str, str, int], Cell], known: list[Table], methods: list[str], seeds: int) -> None:
    for start in ("curves", "svm", ""):
        group = [table for table in known if table.name.startswith(start)]
        if group and (start or len({table.whole for table in group}) > 1):
            _table(start or "all", cells, group, methods, seeds)


def _table(
    name: str, cells: dict[tuple[str, str, int], Cell], group: list[Table], methods: list[str], seeds: int
) -> None:
    by_table = " ".join(f"{numpy.mean([table.random_regret(budget) for table in group]):.3f}" for budget in BUDGETS)
    print(f"\n{name}: {len(group)} data sets, {seeds} seeds; random draws by the table itself: {by_table}")
    print(f"{'regret after':<22}" + "".join(f"{budget:>8}" for budget in BUDGETS) + f"{'trials':>8}{'ask ms':>8}")
    regrets = {}
    for method in methods:
        rows = [[cells[method, table.name, seed] for seed in range(seeds)] for table in group]
        regrets[method] = numpy.array([[each.regrets for each in row] for row in rows])
        trials = numpy.mean([each.trials for row in rows for each in row])
        ask = numpy.median([each.ask_ms for row in rows for each in row])
        means = "".join(f"{mean:>8.4f}" for mean in regrets[method].mean(axis=(0, 1)))
        print(f"{method:<22}{means}{trials:>8.0f}{ask:>8.1f}")
    peers = [method for method in methods if method != "gradfleet"]
    if "gradfleet" in methods and peers:
        _against(regrets["gradfleet"][:, :, -1], {peer: regrets[peer][:, :, -1] for peer in peers})


def _against(ours: numpy.ndarray, peers: dict[str, numpy.ndarray]) -> None:
    """Ours beside the best peer; arrays of regret, a data set a row and a seed a column."""
    best = min(peers, key=lambda peer: float(peers[peer].mean()))
    low, high = interval(ours - peers[best])
    print(
        f"{ours.mean() / peers[best].mean():.2f} of the best peer's, {best}; difference {low:.4f} to {high:.4f} (95%)"
    )


def interval(differences: numpy.ndarray, *, resamples: int = 10_000) -> tuple[float, float]:
    """The 95% interval of the mean: data sets are drawn anew, and in each of them seeds."""
    rng = numpy.random.default_rng(0)
    data_sets, seeds = differences.shape
    means = []
    for _ in range(resamples):
        drawn = rng.integers(data_sets, size=data_sets)
        means.append(differences[drawn[:, None], rng.integers(seeds, size=(data_sets, seeds))].mean())
    low, high = numpy.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--data", nargs="+", default=["curves", "svm"], help="beginnings of data sets' names")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--again", nargs="+", default=[], choices=METHODS)
    parser.add_argument("--repeats", action="store_true", help="a configuration of the table may be drawn again")
    return parser.parse_args()


if __name__ == "__main__":
    main()
