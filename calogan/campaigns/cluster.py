"""Where a campaign is worked on: here, on a batch system, or by any dask scheduler."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from calogan.errors import CaloganError

if TYPE_CHECKING:
    from distributed import Client

BATCH_SYSTEMS = {"slurm": "SLURMCluster", "htcondor": "HTCondorCluster"}
"""Names for --cluster, and the class of dask-jobqueue."""


@contextmanager
def connected(cluster: str, workers: int, options: Mapping[str, Any]) -> Iterator[Client]:
    """A client of dask whose workers take one task at a time.

    Parameters
    ----------
    cluster : "local", "slurm", "htcondor", or the address of a scheduler, as in tcp://host:8786
    workers : local processes, or jobs; those of a scheduler are there already
    options : of the batch system's jobs
    """
    import dask
    from distributed import Client, LocalCluster

    if cluster == "local":
        threads = str(max(1, (os.cpu_count() or 1) // workers))
        environment = {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **{name: threads for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")},
        }
        before_start = {name: os.environ.get(name, value) for name, value in environment.items()}
        settings = {
            # A worker that ends is an attempt of the member that it had, and of no other.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.nanny.pre-spawn-environ": before_start,
        }
        with (
            dask.config.set(settings),
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                # Any port that is free: another campaign here has the usual one.
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                silence_logs="CRITICAL",
            ) as local,
            Client(local) as client,
        ):
            yield client
    elif cluster in BATCH_SYSTEMS:
        with _batch_system(cluster, options) as jobs, Client(jobs) as client:
            # A job that ends, at its time limit or before, is followed by another.
            jobs.adapt(minimum_jobs=workers, maximum_jobs=workers)
            yield client
    else:
        try:
            client = Client(cluster, timeout=30)
        except (OSError, ValueError) as error:
            raise CaloganError(
                f"no dask scheduler at {cluster}: {error}; expected local, "
                f"{', '.join(BATCH_SYSTEMS)}, or an address such as tcp://host:8786"
            ) from error
        with client:
            yield client


def _batch_system(cluster: str, options: Mapping[str, Any]) -> Any:
    import dask

    try:
        import dask_jobqueue  # it brings its configuration
    except ImportError as error:
        raise CaloganError(
            f"--cluster {cluster} needs dask-jobqueue: pip install 'calogan[cluster]'"
        ) from error
    if "memory" not in options and not dask.config.get(f"jobqueue.{cluster}.memory", None):
        raise CaloganError(
            f"--cluster {cluster} needs to know the memory of a job: set it in [cluster] of the "
            'campaign card, as in memory = "8GB", or in jobqueue.yaml of dask-jobqueue'
        )
    try:
        # One member at a time in each job; it may use `job_cpu` processors.
        return getattr(dask_jobqueue, BATCH_SYSTEMS[cluster])(
            **{"cores": 1, "processes": 1, **options}
        )
    except (TypeError, ValueError) as error:
        raise CaloganError(
            f"dask-jobqueue does not take these settings for {cluster}: {error}; set them in "
            "[cluster] of the campaign card, or in its own jobqueue.yaml"
        ) from error
