"""A campaign is run: its members are handed to workers, and tried again when these fail."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calogan.campaigns.cluster import connected
from calogan.campaigns.member import Member, State, work
from calogan.campaigns.plan import Campaign
from calogan.errors import CaloganError

Report = Callable[[Member, State, str], None]
"""Called with a member, its state, and "done", "failed", or "again" if it is tried once more."""


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
        A member was begun with another card; another process works on the campaign; no cluster.
    """
    out = Path(out).absolute()
    members = [Member(out / "members" / plan.name) for plan in campaign.members]
    with _locked(out):
        for member, plan in zip(members, campaign.members, strict=True):
            member.begin(plan)
        left = [member for member in members if member.state().status != "done"]
        if left:
            with connected(cluster, min(workers, len(left)), campaign.cluster) as client:
                _hand_out(client, left, retries, report)
    return members


def _hand_out(client: Any, members: list[Member], retries: int, report: Report) -> None:
    from distributed import KilledWorker, as_completed

    tries = dict.fromkeys(members, 0)

    def submit(member: Member) -> Any:
        tries[member] += 1
        return client.submit(
            _on_worker, str(member.folder), key=f"{member.name}-{tries[member]}", pure=False
        )

    futures = {submit(member): member for member in members}
    running = as_completed(futures)
    for future in running:
        member = futures.pop(future)
        error = future.exception()
        if error is None:
            state = member.state()
            report(member, state, state.status)
            continue
        state = member.state()
        if state.status != "failed":  # its process could not say why
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, KilledWorker):
                reason = f"its worker ended during '{state.step}': killed, or out of memory?"
            state = member.change(status="failed", reason=reason)
        if tries[member] <= retries:
            report(member, state, "again")
            again = submit(member)
            futures[again] = member
            running.add(again)
        else:
            report(member, state, "failed")


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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from working on the campaign; the lock ends with this one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "campaign.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise CaloganError(
                f"another process works on {folder}: {file.read().strip() or 'unknown'}; wait for "
                "it, or look on with --summary"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
