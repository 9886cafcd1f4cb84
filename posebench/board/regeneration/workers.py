"""Run tasks on several processes: joblib on this machine, or its dask backend on a cluster that is already running."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from posebench.base.errors import PosebenchError

T = TypeVar("T")
#: Seconds to wait for the scheduler, and then for its first worker, which may be queued.
ANSWER, FIRST_WORKER = 30, 600


def run_parallel(tasks: Sequence[Callable[[], T]], jobs: int, dask: str | None) -> Iterator[T]:
    """Run tasks in parallel and give each result as soon as it is there.

    Args:
        tasks: calls that can be pickled.
        jobs: number of processes on this machine.
        dask: address of a dask scheduler, instead of ``jobs``.

    Raises:
        PosebenchError: a package is missing, the scheduler does not answer, or its workers have several threads.
        Exception: from joblib or dask, where the death of a worker ended the pool.
    """
    install = 'pip install -c constraints.txt -e ".[scale]"'
    try:
        from joblib import Parallel, delayed, parallel_config

        if dask is not None:
            from distributed import Client
    except ModuleNotFoundError as error:
        wanted = "joblib for --jobs, and dask with distributed for --dask"
        raise PosebenchError(f"no module {error.name}", wanted, install) from error
    with ExitStack() as stack:
        if dask is None:
            stack.enter_context(parallel_config(backend="loky", n_jobs=jobs))
        else:
            try:
                client = stack.enter_context(Client(dask, timeout=ANSWER, set_as_default=False))  # type: ignore[no-untyped-call]
            except (OSError, ValueError) as error:
                found = f"no dask scheduler at {dask} ({str(error).splitlines()[0]})"
                raise PosebenchError(found, "its address, such as tcp://HOST:8786", "start one: dask scheduler") from error
            _require_single_threads(client.nthreads())
            stack.enter_context(parallel_config(backend="dask", client=client, wait_for_workers_timeout=FIRST_WORKER))
        # One task per batch: a task takes minutes, and the death of its process must not lose others. All are submitted at once.
        yield from Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")(delayed(task)() for task in tasks)


def _require_single_threads(threads: dict[str, Any]) -> None:
    """Refuse workers with several threads: cells share PyTorch's random state, so threads of one process would wait for each other."""
    threaded = sorted(worker for worker, count in threads.items() if count > 1)
    if threaded:
        found = f"{threads[threaded[0]]} threads in worker {threaded[0]}"
        raise PosebenchError(found, "one thread a worker, and several workers", "dask worker ADDRESS --nworkers N --nthreads 1")
