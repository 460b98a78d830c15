"""Sent sweeps: those that were asked for here and that jobs drive, until they have ended."""

from __future__ import annotations

from dataclasses import dataclass

from gradfleet.fleet.sent_driver import job_of
from gradfleet.service import submissions
from gradfleet.service.service import Service
from gradfleet.service.submissions import Submission
from gradfleet.study.storage.rows import ENDED, StudyRow


@dataclass(frozen=True, slots=True)
class Sent:
    """One of them."""

    submission: Submission
    study: StudyRow


def going(service: Service) -> list[Sent]:
    """All that have not ended, as far as the store knows."""
    sent = {one.name: one for one in submissions.listed(service.store) if one.state == "done"}
    studies = [one for one in service.store.studies() if one.name in sent and one.state not in ENDED]
    return [Sent(sent[study.name], study) for study in studies]


def on_own_cluster(service: Service) -> int:
    """How many of them the own cluster of the store has; those that are paused leave their room to others."""
    cluster = service.own_cluster
    if cluster is None:
        return 0
    jobs = [job_of(one.study) for one in going(service) if one.study.state != "paused"]
    return sum(job is not None and cluster.has_had(job.cluster) for job in jobs)
