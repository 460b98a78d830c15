"""A Slurm batch script that runs a sweep on a Ray cluster of its own, over all nodes of its job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradfleet.errors import SettingError

_TIME = re.compile(r"\d+(-\d{1,2}(:\d{1,2}(:\d{1,2})?)?|(:\d{1,2}){0,2})")
_WORD = re.compile(r"[\w.:,@/+-]+")

# The batch shell runs on the first node. The cluster lives in job steps, so it ends with the job and no Ray of another
# job is touched; its port comes from the job's number, because two jobs may share a node.
_BODY = """\
set -eo pipefail
{setup}
set -u # after the setup: many an environment's script reads variables that are not set
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export RAY_ADDRESS="${{hosts[0]}}:$((20000 + SLURM_JOB_ID % 20000))"

trap 'rm -rf "/tmp/ray-$SLURM_JOB_ID"' EXIT

start() {{ # HOST OPTIONS...: a node of the cluster, as a step of this job
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$1" ray start "${{@:2}}" --block --disable-usage-stats \\
        --num-cpus={cpus} --num-gpus={gpus} --temp-dir="/tmp/ray-$SLURM_JOB_ID" >"ray-$SLURM_JOB_ID-$1.log" 2>&1 &
}}

start "${{hosts[0]}}" --head --port="${{RAY_ADDRESS##*:}}" --include-dashboard=false
for host in "${{hosts[@]:1}}"; do start "$host" --address="$RAY_ADDRESS"; done
python - "${{#hosts[@]}}" <<'END'
import sys, time, ray
deadline = time.monotonic() + 300
while not ray.is_initialized() or sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[1]):
    if time.monotonic() > deadline:
        sys.exit("The job's nodes have not made one Ray cluster within 5 minutes; their logs are ray-*.log.")
    time.sleep(1)
    try:
        ray.init(log_to_driver=False, ignore_reinit_error=True, logging_level="ERROR")
    except ConnectionError:
        pass
END

# The store is the truth: a job that was preempted and queued again goes on where it was.
{command} cluster=auto --resume &
sweep=$!
# Slurm says so two minutes before the time is up: no new trials, and an end with those that run.
trap 'told=yes; kill -INT "$sweep"' INT
told=no code=0
wait "$sweep" || code=$?
if [ "$told" = yes ]; then code=0; wait "$sweep" || code=$?; fi # the signal had ended the first wait
exit "$code"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJob:
    """What a batch job asks Slurm for.

    Attributes:
        nodes: how many; trials spread over all of them.
        cpus: cores of each node.
        gpus: devices of each node.
        time: the limit, as Slurm writes it: minutes, `hours:minutes:seconds` or `days-hours`.
        partition, account: where one has to be named.
        setup: shell lines that make `gradfleet` and `ray` runnable, such as `source .venv/bin/activate`.

    Raises:
        SettingError: with everything that Slurm would refuse.
    """

    nodes: int = 1
    cpus: int = 8
    gpus: int = 0
    time: str = "1:00:00"
    partition: str | None = None
    account: str | None = None
    setup: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        counts = {"nodes": (self.nodes, 1), "cpus": (self.cpus, 1), "gpus": (self.gpus, 0)}
        problems = [f"{name} is at least {least}, got {n}." for name, (n, least) in counts.items() if n < least]
        if not _TIME.fullmatch(self.time):
            problems.append(f"time is minutes, hours:minutes:seconds or days-hours, got {self.time!r}.")
        for name in ("partition", "account"):
            value = getattr(self, name)
            if value is not None and not _WORD.fullmatch(value):
                problems.append(f"{name} is one word without spaces, got {value!r}.")
        if problems:
            raise SettingError(problems)

    def script(self, command: Sequence[str], *, name: str) -> str:
        """The batch script.

        Args:
            command: `gradfleet sweep run FILE`, with overrides.
            name: of the job.
        """
        setup = "\n".join(self.setup) or "# gradfleet and ray are found as they are."
        body = _BODY.format(setup=setup, cpus=self.cpus, gpus=self.gpus, command=shlex.join(command))
        return "\n".join(["#!/bin/bash", *self._directives(name), body])

    def _directives(self, name: str) -> Iterator[str]:
        asked: dict[str, object] = {
            "job-name": re.sub(r"[^\w.-]", "-", name),
            "nodes": self.nodes,
            "ntasks-per-node": 1,
            "cpus-per-task": self.cpus,
            "gpus-per-node": self.gpus or None,
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
            "output": "%x-%j.log",
            "open-mode": "append",
            "signal": "B:INT@120",
        }
        yield from (f"#SBATCH --{option}={value}" for option, value in asked.items() if value is not None)
        yield "#SBATCH --requeue"
