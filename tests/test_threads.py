"""The kernels' thread pool: every item once, whatever the number of threads."""

import pytest

from stkit.render.threads import parallel


@pytest.mark.parametrize("threads", ["1", "2", "3", "7"])
def test_parallel_covers_every_item_once(monkeypatch, threads):
    monkeypatch.setenv("STKIT_THREADS", threads)
    for count in (0, 1, 5, 20):
        done = []
        parallel(lambda first, step, n=count, done=done: done.extend(range(first, n, step)), count)
        assert sorted(done) == list(range(count))


def test_zero_threads_still_run_the_kernel(monkeypatch):
    monkeypatch.setenv("STKIT_THREADS", "0")
    calls = []
    parallel(lambda first, step: calls.append((first, step)), 4)
    assert calls
