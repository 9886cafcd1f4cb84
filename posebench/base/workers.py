"""Tasks on several processes: joblib on this machine, or its dask backend on a cluster that was started with dask's own tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from posebench.base.errors import PosebenchError, needs

T = TypeVar("T")
#: Seconds to wait for a scheduler to answer, and then for its first worker, which may be queued.
SCHEDULER_TIMEOUT_S, FIRST_WORKER_TIMEOUT_S = 30, 600


def parallel(tasks: Sequence[Callable[[], T]], jobs: int, dask: str | None) -> Iterator[T]:
    """Run tasks; yields their results in the order in which they finish.

    Args:
        tasks: calls that can be pickled.
        jobs: number of processes on this machine.
        dask: address of a dask scheduler, instead of ``jobs``.

    Raises:
        PosebenchError: a package is missing, the scheduler does not answer, or its workers have several threads.
        Exception: of joblib or dask, if the death of a worker ended the pool.
    """
    with needs("--jobs or --dask", extra="scale"):
        from joblib import Parallel, delayed, parallel_config

        if dask is not None:
            from distributed import Client
    with ExitStack() as stack:
        if dask is None:
            stack.enter_context(parallel_config(backend="loky", n_jobs=jobs))
        else:
            try:
                client = stack.enter_context(Client(dask, timeout=SCHEDULER_TIMEOUT_S, set_as_default=False))  # type: ignore[no-untyped-call]
            except (OSError, ValueError) as error:
                found = f"no dask scheduler at {dask} ({str(error).splitlines()[0]})"
                raise PosebenchError(found, "its address, such as tcp://HOST:8786", "start one: dask scheduler") from error
            _one_thread_each(client.nthreads())
            stack.enter_context(parallel_config(backend="dask", client=client, wait_for_workers_timeout=FIRST_WORKER_TIMEOUT_S))
        # One task a batch, all handed over at once: a task takes up to minutes, and one that is killed must not lose others.
        yield from Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")(delayed(task)() for task in tasks)


def _one_thread_each(threads: dict[str, Any]) -> None:
    """Refuse workers of several threads: tasks share PyTorch's random numbers and thread count, so they would wait for each other."""
    threaded = sorted(worker for worker, count in threads.items() if count > 1)
    if threaded:
        found = f"{threads[threaded[0]]} threads in worker {threaded[0]}"
        raise PosebenchError(found, "one thread a worker, and several workers", "dask worker ADDRESS --nworkers N --nthreads 1")
