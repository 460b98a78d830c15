"""Every tracker that Accelerate offers, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.callbacks.tracker import Run, Tracker

NAMES = ("aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb")


class AccelerateTracker(Tracker):
    """A run with TensorBoard, MLflow, Weights & Biases or another one that Accelerate knows.

    Args:
        name: one of `NAMES`.
        folder: where TensorBoard, Aim, DVCLive and W&B write; MLflow has its own settings, `MLFLOW_TRACKING_URI`.
        options: further arguments of Accelerate's tracker, such as `{"mode": "offline"}` of "wandb".

    Raises:
        SettingError: no tracker has that name.
        ImportError: when a fit begins, and the package is not installed.
    """

    def __init__(
        self,
        name: str,
        run: Run | None = None,
        *,
        folder: Path | str = "runs",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if name not in NAMES:
            raise SettingError(unknown_name("tracker", name, NAMES))
        super().__init__(run)
        self.name = name
        self._folder = Path(folder).absolute()
        self._options = dict(options or {})
        self._tracker: Any = None

    def start(self, run: Run) -> None:
        try:
            classes = import_module("accelerate.tracking").LOGGER_TYPE_TO_CLASS
            self._tracker = classes[self.name](**{**_arguments(self.name, run, self._folder), **self._options})
            self._folder.mkdir(parents=True, exist_ok=True)
            import_module("accelerate").PartialState()  # some of its trackers write log lines, which need it
            self._tracker.start()
        except ImportError as error:
            raise ImportError(
                f'Tracking with {self.name} needs it installed: pip install "gradfleet[trackers]".'
            ) from error
        if run.config:
            self._tracker.store_init_configuration(
                {key: "None" if value is None else value for key, value in run.config.items()}
            )

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._tracker.log(dict(values), step=step)

    def finish(self, state: str) -> None:
        if self.name == "mlflow":
            mlflow = import_module("mlflow")
            mlflow.set_tag("state", state)
            mlflow.end_run(status="FAILED" if state.startswith("failed") else "FINISHED")
        else:
            self._tracker.log({"state": state})
            self._tracker.finish()
        self._tracker = None


def _arguments(name: str, run: Run, folder: Path) -> dict[str, Any]:
    """What each calls the group and the run."""
    return {
        "aim": {"run_name": run.name, "logging_dir": str(folder), "experiment": run.group},
        "clearml": {"run_name": run.name, "project_name": run.group},
        "comet_ml": {"run_name": run.group},
        "dvclive": {"run_name": run.name, "dir": str(folder / run.group / run.name)},
        "mlflow": {"experiment_name": run.group, "run_name": run.name},
        "swanlab": {"run_name": run.group, "experiment_name": run.name},
        "tensorboard": {"run_name": run.name, "logging_dir": str(folder / run.group)},
        "trackio": {"run_name": run.group, "name": run.name},
        "wandb": {"run_name": run.group, "name": run.name, "group": run.group, "dir": str(folder)},
    }[name]
