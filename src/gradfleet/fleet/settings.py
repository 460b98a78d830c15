"""SweepSettings: how a space is searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from gradfleet.errors import Problems, SettingError, unknown_name
from gradfleet.fleet.addresses import CLUSTERS, is_remote
from gradfleet.fleet.sharing import Part
from gradfleet.goal import Aim, Goal
from gradfleet.search.grid import Grid
from gradfleet.search.samplers import (
    SamplerChoice,
    Search,
    check_aim,
    check_sampler,
    make_sampler,
    named_for,
    sampler_name,
)
from gradfleet.search.space import SearchSpace
from gradfleet.study.driving.budget import Budget, count_problems
from gradfleet.study.driving.failures import GIVE_UP
from gradfleet.study.schedulers.aimed_scheduler import AimedScheduler
from gradfleet.study.schedulers.names import SCHEDULERS, SchedulerChoice, scheduler_options
from gradfleet.study.schedulers.scheduler import Course, Scheduler
from gradfleet.trials.executor import Executor, InlineExecutor
from gradfleet.trials.plan import Config
from gradfleet.trials.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """How a space is searched; everything that is not the recipe, the data or the study's place.

    Raises:
        SettingError: with every setting that cannot be.
    """

    objective: Aim
    budget: Budget
    epochs: int = 10
    sampler: SamplerChoice = "auto"
    scheduler: SchedulerChoice = "asha"
    resources: Resources = field(default_factory=Resources)
    cluster: str | None = None
    seed: int = 0
    keep: int = 5
    retry_failed: bool = False
    stall: float | None = None
    give_up: int | None = GIVE_UP
    portfolio: Sequence[Config] = ()
    keep_predictions: bool = True

    def __post_init__(self) -> None:
        problems = Problems(self._count_problems())
        for check in (self._check_sampler, self._check_scheduler):
            with problems:
                check()
        if self.cluster is not None and self.cluster not in CLUSTERS and not self.is_remote:
            known = unknown_name("cluster", self.cluster, CLUSTERS)
            problems.append(f"{known} None is this machine, http://head:8265 a remote one.")
        if not isinstance(self.resources, Resources):
            problems.append(f"What a trial takes is a value such as Resources(cpu=2), got {self.resources!r}.")
        elif self.cluster == "inline" and self.resources.workers > 1:
            problems.append(f"cluster='inline' is one process, so workers is 1; got {self.resources.workers}.")
        problems.refuse()

    def to_json(self) -> dict[str, Any]:
        """What the study's spec keeps of it."""
        return {
            "sampler": sampler_name(named_for(self.sampler, self.objective)),
            "scheduler": scheduler_options(self.scheduler).to_json(),
            "epochs": self.epochs,
            "seed": self.seed,
            "keep": self.keep,
            "portfolio": [dict(config) for config in self.portfolio],
            "budget": asdict(self.budget),
            "resources": asdict(self.resources),
            "cluster": "remote" if self.is_remote else self.cluster,
        }

    def _count_problems(self) -> list[str]:
        counts = {
            "epochs": self.epochs,
            "keep": self.keep,
            **({} if self.give_up is None else {"give_up": self.give_up}),
        }
        problems = [problem for name, value in counts.items() for problem in count_problems(name, value)]
        return [*problems, *([] if _is_seed(self.seed) else [f"A seed is a whole number from 0, got {self.seed!r}."])]

    @property
    def is_remote(self) -> bool:
        """Whether the sweep is sent to a cluster, as a job, instead of being driven from here."""
        return is_remote(self.cluster)

    @property
    def trial_epochs(self) -> int:
        """Of all runs of one trial."""
        return self.epochs * self.objective.num_runs

    def sampler_factory(self, space: SearchSpace) -> Callable[[int], Any]:
        """From a trial's number to the Optuna sampler that draws it."""
        search = Search(space=space, aim=self.objective, epochs=self.trial_epochs)
        return lambda number: make_sampler(self.sampler, search, seed=self.seed, number=number)

    def grid(self, space: SearchSpace) -> Grid | None:
        """What is tried one by one, where the sampler is "grid".

        Raises:
            SpaceError: the space is not finite.
        """
        return Grid(space) if self.sampler == "grid" else None

    def _check_sampler(self) -> None:
        check_sampler(self.sampler)
        check_aim(self.sampler, self.objective)

    def new_scheduler(self, space: SearchSpace) -> Scheduler:
        course = Course(
            objective=self.objective.objectives[0],
            epochs=self.trial_epochs,
            space=space,
            seed=self.seed,
            trials=self.budget.trials,
        )
        options = scheduler_options(self.scheduler)
        make = partial(options.build, course)
        return AimedScheduler(self.objective, make) if isinstance(self.objective, Goal) else make()

    def _check_scheduler(self) -> None:
        options = scheduler_options(self.scheduler)
        wrong = count_problems("epochs", self.epochs)  # is said already
        found = [] if wrong else options.problems(epochs=self.trial_epochs, trials=self.budget.trials)
        if options.single and isinstance(self.objective, Goal):
            able = ", ".join(name for name, make in SCHEDULERS.items() if not make().single)
            found.append(
                f"The scheduler {options.to_json()['name']!r} follows one objective without constraints. "
                f"These take more: {able}."
            )
        if found:
            raise SettingError(found)

    def check_cluster(self) -> None:
        """Refuse a remote cluster that does not answer, or could not run what is sent from here.

        Raises:
            ClusterError: what is wrong with it; AccessError for its token.
        """
        if is_remote(self.cluster):
            from gradfleet.fleet.jobs import RemoteCluster  # Ray takes a second to import

            RemoteCluster.at(self.cluster).check()

    def executor(self, *, part: Callable[[], Part] = Part) -> Executor:
        """This process without Ray for "inline", else Ray, connected.

        Args:
            part: the sweep's own, of a cluster that it shares with others.

        Raises:
            ClusterError: no cluster answers, or it can never hold one such trial.
        """
        if self.cluster == "inline":
            return InlineExecutor()
        from gradfleet.fleet.ray_executor import RayExecutor  # Ray takes a second to import

        return RayExecutor(cluster=self.cluster, resources=self.resources, part=part)


def _is_seed(value: object) -> bool:
    """Whether NumPy can be seeded with it, and a database keep it."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
