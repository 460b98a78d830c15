"""Every tracker that Accelerate offers, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.callbacks.tracker import Run, Tracker
from gradfleet.training.context import Context

NAMES = ("aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb")


class AccelerateTracker(Tracker):
    """A run with TensorBoard, MLflow, Weights & Biases or another one that Accelerate knows.

    A fit that goes on, after a resume or in a further fit, goes on with its run of MLflow or W&B, and in its files of
    TensorBoard; with the others it begins another run of the same name.

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
        self._id: str | None = None

    def state(self) -> Mapping[str, Any]:
        return {} if self._id is None else {"run": [self.run.group, self.run.name], "id": self._id}

    def load_state(self, state: Mapping[str, Any]) -> None:
        if state.get("run") == [self.run.group, self.run.name]:  # not that of the trial which this one is a copy of
            self._id = state["id"]

    def on_fit_start(self, context: Context) -> None:
        if not context.history:
            self._id = None
        super().on_fit_start(context)

    def start(self, run: Run) -> None:
        try:
            classes = import_module("accelerate.tracking").LOGGER_TYPE_TO_CLASS
            arguments = {**_arguments(self.name, run, self._folder), **_rejoining(self.name, self._id)}
            self._tracker = classes[self.name](**{**arguments, **self._options})
            self._folder.mkdir(parents=True, exist_ok=True)
            import_module("accelerate").PartialState()  # some of its trackers write log lines, which need it
            self._tracker.start()
        except ImportError as error:
            raise ImportError(
                f'Tracking with {self.name} needs it installed: pip install "gradfleet[trackers]".'
            ) from error
        self._id = _id_of(self.name, self._tracker.tracker)
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


def _rejoining(name: str, run_id: str | None) -> dict[str, Any]:
    """How each goes on with a run; nothing where there is none, or it cannot."""
    if run_id is None:
        return {}
    return {"mlflow": {"run_id": run_id}, "wandb": {"id": run_id, "resume": "allow"}}.get(name, {})


def _id_of(name: str, run: Any) -> str | None:
    if name == "mlflow":
        return str(run.info.run_id)
    return str(run.id) if name == "wandb" else None
