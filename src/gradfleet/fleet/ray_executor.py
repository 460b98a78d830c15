"""An Executor on Ray Tune: warm workers, one trial each at a time."""

from __future__ import annotations

from ray import tune

from gradfleet.fleet.cluster import connect
from gradfleet.fleet.quiet import quiet_tune
from gradfleet.fleet.scratch import scratch
from gradfleet.fleet.tune import Fault, LedgerCallback, LedgerScheduler, LedgerSearcher, NoTrialProgress
from gradfleet.fleet.worker import TrialWorker
from gradfleet.trials.executor import Ledger
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.recipes import by_value
from gradfleet.trials.resources import Resources


class RayExecutor:
    """Runs a ledger's plans as Ray Tune trials, as many side by side as the cluster holds.

    Tune is a stateless executor here: it restarts nothing and remembers nothing. A worker that dies gives its trial
    back to the ledger, which offers it again with its last checkpoint.

    Raises:
        ClusterError: no cluster answers, or it can never hold one such trial.
    """

    def __init__(self, *, cluster: str | None = None, resources: Resources | None = None) -> None:
        connected = connect(cluster)
        self._resources = (resources or Resources()).on(gpus=connected.gpu)
        self._workers = connected.workers(self._resources)

    def run(self, recipe: Recipe, ledger: Ledger) -> None:
        if ledger.finished:
            return
        packed = by_value(recipe)
        fault = Fault()
        searcher = LedgerSearcher(ledger, fault, workers=self._workers)
        with quiet_tune(self._workers), scratch("tune") as folder:
            # tune.run and not tune.Tuner: a Tuner pickles its searcher and callbacks at birth, to be restored from.
            tune.run(
                tune.with_parameters(TrialWorker, recipe=packed),
                name="sweep",
                search_alg=searcher,
                scheduler=LedgerScheduler(ledger, fault, searcher),
                num_samples=-1,
                resources_per_trial={"cpu": self._resources.cpu, "gpu": self._resources.gpu or 0},
                reuse_actors=True,
                callbacks=[LedgerCallback(ledger, fault, searcher), NoTrialProgress()],
                raise_on_failed_trial=False,
                storage_path=str(folder),
                verbose=0,
            )
        fault.raise_first()
