"""Errors as exit codes and lines: one place, for every error there is."""

from __future__ import annotations

import pytest

from gradfleet import errors
from gradfleet.cli.exits import exit_code, message


def _all_errors(root: type[Exception] = errors.GradfleetError) -> list[type[Exception]]:
    """But for those of a module of its own, such as a request that the service refuses: no command meets them."""
    kinds = [kind for one in root.__subclasses__() for kind in (one, *_all_errors(one))]
    return [kind for kind in kinds if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", _all_errors())
def test_every_error_that_is_raised_on_purpose_has_a_code(kind: type[Exception]) -> None:
    assert exit_code(kind("why")) in (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NoUsableTrialError, 1),
        (errors.CheckpointError, 1),
        (errors.SettingError, 2),
        (errors.DataError, 2),
        (errors.StudyMismatchError, 2),
        (errors.ExecutionError, 2),
        (errors.StoreError, 3),
        (errors.LeaseHeldError, 3),
        (errors.ClusterError, 3),
        (errors.AccessError, 4),
        (errors.NotFoundError, 5),
        (PermissionError, 3),
    ],
)
def test_the_code_says_what_kind_of_thing_went_wrong(kind: type[Exception], code: int) -> None:
    assert exit_code(kind("why")) == code


def test_an_error_that_nobody_foresaw_has_no_code() -> None:
    assert exit_code(TypeError("why")) is None


@pytest.mark.parametrize(
    ("python", "typed"),
    [
        ("Pass resume=True to go on with it, or another name.", "Pass --resume to go on with it, or another name."),
        ("Pass store= with the one it was made in.", "Pass --store with the one it was made in."),
        ("Run with cluster='inline'.", "Run with --cluster inline."),
        ('Or pass on_bad_rows="skip" to leave them out.', "Or pass --on-bad-rows skip to leave them out."),
        ('Say which one is to be learned: target="...".', "Say which one is to be learned: --target-column ...."),
        ("If you trust it, pass trust_recipe=True.", "If you trust it, pass --trust-recipe."),
        ("cluster=htpp://x: No cluster is called so.", "cluster=htpp://x: No cluster is called so."),
        ("Add name=NAME, or pass name=.", "Add name=NAME, or pass --name."),
        ("Go on with fit(name='a', resume=True).", "Go on with the command that began it and --resume."),
        ("Ask for less with resources=Resources(...).", "Ask for less with --cpu and --gpu."),
    ],
)
def test_an_error_speaks_of_options_where_it_spoke_of_arguments(python: str, typed: str) -> None:
    assert message(errors.SettingError(python)) == typed
