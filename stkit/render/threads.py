"""One small thread pool for the compiled kernels, which release the GIL."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def thread_count() -> int:
    """Threads the CPU kernels use: `STKIT_THREADS`, or every core."""
    return max(1, int(os.environ.get("STKIT_THREADS") or len(os.sched_getaffinity(0))))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="stkit")


def parallel(kernel, count: int, *args) -> None:
    """Call `kernel(first, step, *args)` once per thread; thread k takes items k, k + step, ... of `count`."""
    threads = min(thread_count(), max(count, 1))
    if threads == 1:
        kernel(0, 1, *args)
        return
    for job in [_pool(threads).submit(kernel, k, threads, *args) for k in range(threads)]:
        job.result()
