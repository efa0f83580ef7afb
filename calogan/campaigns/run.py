"""A campaign is run: its members are handed to workers, and tried again when these fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from calogan.campaigns.cluster import BATCH_SYSTEMS, connected
from calogan.campaigns.member import Member, State, work
from calogan.campaigns.plan import Campaign
from calogan.errors import CaloganError
from calogan.files import locked

Report = Callable[[Member, State, str], None]
"""Called with a member, its state, and "done", "failed", or "again" if it is tried once more."""

LOOK_SECONDS = 10
PATIENCE_SECONDS = 600
"""Without any worker, after which a campaign ends; a batch system's queue may take days."""


def members_of(folder: str | Path) -> list[Member]:
    """The members in a campaign's folder, by name."""
    found = [Member(path.parent) for path in sorted(Path(folder).glob("members/*/plan.json"))]
    if not found:
        raise CaloganError(
            f"{folder} is no campaign's folder: no members in it; "
            "make one with `calogan campaign CARD --out DIR`"
        )
    return found


def run_campaign(
    campaign: Campaign,
    out: str | Path,
    *,
    cluster: str = "local",
    workers: int = 1,
    retries: int = 2,
    report: Report = lambda member, state, event: None,
) -> list[Member]:
    """Work on all members that are not done; returns all of the campaign.

    Parameters
    ----------
    out : folder of the campaign. A campaign that was begun there goes on: what is done is kept, a
        begun training resumes, and failed members are tried again. Workers must see it too.
    cluster, workers : as in `cluster.connected`
    retries : how often a member is tried again whose worker died, or met what is no fault of its
        input; what is wrong with the input stays wrong

    Raises
    ------
    CaloganError
        A member was begun with another card; another process works on the campaign; no cluster, or
        none of its workers for PATIENCE_SECONDS.
    """
    out = Path(out).absolute()
    members = [Member(out / "members" / plan.name) for plan in campaign.members]
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / "campaign.lock", wait=False):
        for member, plan in zip(members, campaign.members, strict=True):
            member.begin(plan)
        left = [member for member in members if member.state().status != "done"]
        if left:
            with connected(cluster, min(workers, len(left)), campaign.cluster) as client:
                for alone in _hand_out(client, left, retries, report):
                    if alone > PATIENCE_SECONDS and cluster not in BATCH_SYSTEMS:
                        raise CaloganError(
                            f"{cluster} has had no worker for {alone:.0f} s; start workers with "
                            "`dask worker ADDRESS --nthreads 1`; the same command goes on"
                        )
    return members


def _hand_out(client: Any, members: list[Member], retries: int, report: Report) -> Iterator[float]:
    """Hand out the members, one attempt after another; yields now and then.

    What is yielded is for how long there has been no worker, in seconds.
    """
    from distributed import KilledWorker, TimeoutError, wait
    from distributed.client import FuturesCancelledError

    tries = dict.fromkeys(members, 0)

    def submit(member: Member) -> Any:
        tries[member] += 1
        return client.submit(
            _on_worker, str(member.folder), key=f"{member.name}-{tries[member]}", pure=False
        )

    futures = {submit(member): member for member in members}
    seen = time.monotonic()
    while futures:
        ended: set[Any] = set()
        try:
            with suppress(TimeoutError):
                ended = wait([*futures], timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED").done
            if ended or client.scheduler_info()["workers"]:
                seen = time.monotonic()
        except (FuturesCancelledError, OSError) as error:
            raise CaloganError(
                f"the dask scheduler is gone, or has dropped the members: {error}; "
                "the same command goes on"
            ) from error
        for future in ended:
            member = futures.pop(future)
            problem = future.exception()
            state = member.state()
            if problem is None:
                report(member, state, state.status)
                continue
            if state.status != "failed":  # its process could not say why
                reason = f"{type(problem).__name__}: {problem}"
                if isinstance(problem, KilledWorker):
                    reason = f"its worker ended during '{state.step}': killed, or out of memory?"
                state = member.change(status="failed", reason=reason)
            if tries[member] <= retries:
                report(member, state, "again")
                futures[submit(member)] = member
            else:
                report(member, state, "failed")
        yield time.monotonic() - seen


def _on_worker(folder: str) -> None:
    """`work`, where a worker of dask runs it."""
    from distributed import get_worker

    threads = get_worker().state.nthreads
    if threads > 1:
        member = Member(Path(folder))
        reason = f"its worker takes {threads} tasks at a time; start workers with --nthreads 1"
        member.change(status="failed", reason=reason)
        return
    work(folder)
