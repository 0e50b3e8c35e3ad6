"""One small thread pool for the compiled kernels, which release the GIL."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from stkit.errors import RequestError
from stkit.training import core_count


def thread_count() -> int:
    """Threads the CPU kernels use: `STKIT_THREADS`, or every core."""
    given = os.environ.get("STKIT_THREADS") or str(core_count())
    if not given.isdigit():
        raise RequestError(f"STKIT_THREADS={given!r}: a whole number of 1 or more")
    return max(1, int(given))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="stkit")


def parallel(kernel: Callable, count: int, *args) -> None:
    """Call `kernel(first, step, *args)` once per thread.

    Thread k is called with first = k and takes items k, k + step, ... of `count`.
    """
    threads = min(thread_count(), max(count, 1))
    _run(kernel, [(k, threads) for k in range(threads)], args)


def parallel_blocks(kernel: Callable, count: int, *args) -> None:
    """Call `kernel(begin, end, *args)` once per thread, each with its own run of the `count` items.

    Runs share no cache lines.
    """
    threads = min(thread_count(), max(count, 1))
    edges = [k * count // threads for k in range(threads + 1)]
    _run(kernel, list(zip(edges, edges[1:])), args)


def _run(kernel: Callable, shares: list[tuple[int, int]], args: tuple) -> None:
    """Call the kernel with the first share here, with the others on the pool; errors are raised."""
    jobs = [_pool(len(shares) - 1).submit(kernel, *share, *args) for share in shares[1:]]
    kernel(*shares[0], *args)
    for job in jobs:
        job.result()
