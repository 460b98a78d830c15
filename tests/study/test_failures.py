"""Why trials failed: like causes are counted together, and a search whose trials all fail alike is given up."""

from __future__ import annotations

from gradfleet.study.driving.failures import Despair, counted, listed

OUT = "RuntimeError: out of memory at {} MiB"


def test_causes_that_differ_in_numbers_only_are_counted_as_one() -> None:
    causes = [OUT.format(12), "ValueError: odd", OUT.format(7.5), OUT.format(900)]
    assert counted(causes) == [(OUT.format(12), 3), ("ValueError: odd", 1)]
    assert listed(causes) == "RuntimeError: out of memory at 12 MiB (3), ValueError: odd (1)"


def test_a_long_list_ends_with_the_number_of_the_others() -> None:
    causes = [letter for times, letter in enumerate("gfedcba", start=1) for _ in range(times)]
    assert listed(causes) == "a (7), b (6), c (5), d (4), e (3), others (3)"


def test_a_search_is_given_up_when_its_first_trials_fail_alike() -> None:
    despair = Despair(3, hope=False)
    assert [despair.ended(OUT.format(size)) for size in (1, 2)] == [None, None]
    assert despair.ended(OUT.format(3)) == (
        "The search was given up, because its first 3 trials failed alike. Pass give_up=None to try on whatever fails."
    )


def test_a_trial_that_ends_well_or_fails_otherwise_is_hope_for_ever() -> None:
    for other in (None, "ValueError: odd"):
        despair = Despair(2, hope=False)
        assert [despair.ended(end) for end in ("KeyError: 'a'", other, *["KeyError: 'a'"] * 5)] == [None] * 7
    assert Despair(1, hope=True).ended("KeyError: 'a'") is None
    assert Despair(None, hope=False).ended("KeyError: 'a'") is None
