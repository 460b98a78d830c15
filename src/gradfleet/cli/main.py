"""The command line `gradfleet VERB`: its verbs, and the one way in which errors leave it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import gradfleet
from gradfleet.cli import (
    doctor,
    ensemble,
    exits,
    export,
    fit,
    leaderboard,
    pictures,
    predict,
    render,
    service,
    sweep,
    sweep_file,
    trials,
)
from gradfleet.cli.options import examples


class Verbs(TyperGroup):
    """Runs a verb; an error that gradfleet raises on purpose ends it with a line on stderr and a code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = exits.exit_code(error)
            if code is None or ctx.params["debug"] or isinstance(error, BrokenPipeError):
                raise
            typer.echo(f"Error: {exits.message(error)}", err=True)
            raise typer.Exit(code) from error


app = typer.Typer(
    name="gradfleet",
    cls=Verbs,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=examples(
        "gradfleet fit image-classification flowers/ --budget 10m --name flowers",
        "gradfleet leaderboard flowers",
        "gradfleet evaluate flowers held_out/",
        "gradfleet predict flowers new.jpg",
    ),
)


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"gradfleet {gradfleet.__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda asked: _version(asked=asked), is_eager=True, help="Print it.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show an error with its traceback.")] = False,
) -> None:
    """AutoML and hyperparameter tuning for PyTorch, backed by Ray.

    Data goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1 no usable trial, 2 usage or setting, 3
    cluster or store out of reach, 4 not authorised, 5 not found, 6 done but the target was missed, 130 interrupted.
    """


app.command(epilog=examples(*fit.TASKS_EXAMPLES))(fit.tasks)
app.command(epilog=examples(*fit.FIT_EXAMPLES))(fit.fit)
app.command(epilog=examples(*sweep_file.INIT_EXAMPLES))(sweep_file.init)
app.command(epilog=examples(*sweep_file.VALIDATE_EXAMPLES))(sweep_file.validate)
app.command(epilog=examples(*leaderboard.EXAMPLES))(leaderboard.leaderboard)
app.command(epilog=examples(*leaderboard.STAR_EXAMPLES))(leaderboard.star)
app.command(epilog=examples(*leaderboard.NOTE_EXAMPLES))(leaderboard.note)
app.command(epilog=examples(*trials.BEST_EXAMPLES))(trials.best)
app.command(epilog=examples(*pictures.PLOT_EXAMPLES))(pictures.plot)
app.command(epilog=examples(*pictures.REPORT_EXAMPLES))(pictures.report)
app.command(epilog=examples(*predict.PREDICT_EXAMPLES))(predict.predict)
app.command(epilog=examples(*predict.EVALUATE_EXAMPLES))(predict.evaluate)
app.command(epilog=examples(*trials.REPLAY_EXAMPLES))(trials.replay)
app.command(epilog=examples(*export.EXAMPLES))(export.export)
app.command(epilog=examples(*ensemble.EXAMPLES))(ensemble.ensemble)
app.command(epilog=examples(*doctor.EXAMPLES))(doctor.doctor)

app.command(epilog=examples(*service.SERVE_EXAMPLES))(service.serve)

sweeps = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run a sweep from a file, and see and steer those of a store.",
    epilog=examples(*sweep_file.RUN_EXAMPLES, *sweep.SHOW_EXAMPLES),
)
sweeps.command("run", epilog=examples(*sweep_file.RUN_EXAMPLES))(sweep_file.run)
sweeps.command("submit", epilog=examples(*sweep_file.SUBMIT_EXAMPLES))(sweep_file.submit)
sweeps.command("list", epilog=examples(*sweep.LIST_EXAMPLES))(sweep.list_)
sweeps.command("show", epilog=examples(*sweep.SHOW_EXAMPLES))(sweep.show_)
sweeps.command("watch", epilog=examples(*sweep.WATCH_EXAMPLES))(sweep.watch)
sweeps.command("wait", epilog=examples(*sweep.WAIT_EXAMPLES))(sweep.wait)
sweeps.command("pause", epilog=examples(*sweep.PAUSE_EXAMPLES))(sweep.pause)
sweeps.command("resume", epilog=examples(*sweep.RESUME_EXAMPLES))(sweep.resume)
sweeps.command("stop", epilog=examples(*sweep.STOP_EXAMPLES))(sweep.stop)
sweeps.command("cancel", epilog=examples(*sweep.CANCEL_EXAMPLES))(sweep.cancel)
sweeps.command("retry", epilog=examples(*sweep.RETRY_EXAMPLES))(sweep.retry)
sweeps.command("logs", epilog=examples(*sweep.LOGS_EXAMPLES))(sweep.logs)
sweeps.command("delete", epilog=examples(*sweep.DELETE_EXAMPLES))(sweep.delete)
app.add_typer(sweeps, name="sweep")

token_verbs = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make, list and revoke the tokens of the service.",
    epilog=examples(*service.CREATE_EXAMPLES, *service.REVOKE_EXAMPLES),
)
token_verbs.command("create", epilog=examples(*service.CREATE_EXAMPLES))(service.create)
token_verbs.command("list", epilog=examples(*service.LIST_EXAMPLES))(service.list_)
token_verbs.command("revoke", epilog=examples(*service.REVOKE_EXAMPLES))(service.revoke)
app.add_typer(token_verbs, name="token")

renderers = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Print a sweep file as what another system runs.",
    epilog=examples(*render.SLURM_EXAMPLES),
)
renderers.command("slurm", epilog=examples(*render.SLURM_EXAMPLES))(render.slurm)
app.add_typer(renderers, name="render")


def main() -> None:
    """The console script."""
    app(prog_name="gradfleet")
