"""Some of the hostile files of `python -m tests.hostile`, which reads a thousand in a minute."""

from tests.hostile.__main__ import GOOD, tries

COUNT = 250


def test_damaged_and_hostile_files_are_read_or_refused_by_name():
    done = list(tries(COUNT, seed=1))
    assert len(done) == COUNT
    assert [one for one in done if one.outcome not in GOOD] == []
