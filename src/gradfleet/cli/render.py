"""`gradfleet render`: a sweep file as what another system runs."""

from __future__ import annotations

from typing import Annotated

import typer

from gradfleet.cli.output import show, users_code
from gradfleet.cli.sweep_file import File, Overrides

SLURM_EXAMPLES = (
    "gradfleet render slurm flowers.yaml --nodes 2 --cpus 16 --gpus 4 --time 8:00:00 > flowers.sh",
    "gradfleet render slurm flowers.yaml search.trials=200 --setup 'source .venv/bin/activate' | sbatch",
)


def slurm(
    file: File,
    overrides: Overrides = None,
    *,
    nodes: Annotated[int, typer.Option(metavar="N", help="How many; trials spread over all of them.")] = 1,
    cpus: Annotated[int, typer.Option(metavar="N", help="Cores of each node.")] = 8,
    gpus: Annotated[int, typer.Option(metavar="N", help="GPUs of each node.")] = 0,
    time: Annotated[str, typer.Option(metavar="TIME", help="The job's limit: 30, 8:00:00 or 1-12.")] = "1:00:00",
    partition: Annotated[str | None, typer.Option(metavar="NAME", help="Where Slurm has to be told.")] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Where Slurm has to be told.")] = None,
    setup: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="Shell lines before the rest, such as 'source .venv/bin/activate'."),
    ] = None,
) -> None:
    """Print a Slurm script that starts a Ray cluster over its nodes and runs the sweep there.

    A job that is preempted and queued again goes on with its study. The store and the data must be on a file system
    that all nodes see, or on a server.
    """
    from gradfleet.sweeps.slurm import SlurmJob
    from gradfleet.sweeps.sweep import Sweep

    job = SlurmJob(
        nodes=nodes, cpus=cpus, gpus=gpus, time=time, partition=partition, account=account, setup=tuple(setup or ())
    )
    said = list(overrides or ())
    with users_code():
        spec = Sweep.read(file, said).spec
    name = spec.name or file.stem
    # Without a name a job that is queued again would begin a new study.
    named = said if spec.name else [*said, f"name={name}"]
    show(job.script(["gradfleet", "sweep", "run", str(file), *named], name=name).rstrip("\n"))
