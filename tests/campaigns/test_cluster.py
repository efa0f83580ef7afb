"""Workers of other schedulers, batch jobs, and what cannot be worked with."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calogan.campaigns.member import Member, State
from calogan.campaigns.plan import Campaign, load_campaign
from calogan.campaigns.run import members_of, run_campaign
from calogan.errors import CaloganError


def nothing_to_train_on(folder: Path, cluster: str = "") -> Campaign:
    """Two members that fail at once, in their worker."""
    path = folder / "campaign.toml"
    path.write_text(
        f"""
        card = "lar_photons.toml"
        run.data.train = "{folder}/none.h5"
        matrix.particle = [22, 11]
        {cluster}
        """,
        encoding="utf-8",
    )
    return load_campaign(path)


@contextmanager
def scheduler(threads: int, workers: int = 1) -> Iterator[str]:
    """The address of one whose workers take so many threads."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        processes=False,
        dashboard_address="127.0.0.1:0",
        protocol="tcp",
        host="127.0.0.1",
    ) as cluster:
        yield cluster.scheduler_address


def test_the_command_names_what_failed(tmp_path: Path) -> None:
    nothing_to_train_on(tmp_path)

    def calogan(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "calogan.cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)

    for options in ([], ["--summary"]):
        found = calogan("campaign", "campaign.toml", "--out", "out", *options)
        assert found.returncode == 1, found.stderr
        for name in ("particle_22", "particle_11"):
            assert f"failed: {name} during 'data': " in found.stderr
            assert f"log: out/members/{name}/log.txt" in found.stderr.replace(f"{tmp_path}/", "")
            assert name in found.stdout
        assert (tmp_path / "out/campaign.html").is_file()
    (tmp_path / "out/members/particle_11/generator.json").touch()  # of an earlier card
    found = calogan("bundle", "out", "-o", "bundle")
    assert found.returncode == 2
    assert "2 of 2 members have no generator yet, such as particle_11" in found.stderr
    (tmp_path / "campaign.toml").write_text("cards = 1")
    assert calogan("campaign", "campaign.toml", "--out", "out").returncode == 2
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.json").touch()
    found = calogan("bundle", "a/m.json", "b/m.json", "-o", "bundle")
    assert "a/m.json and b/m.json would have one name in the bundle, 'm'" in found.stderr


def test_workers_of_a_scheduler(tmp_path: Path) -> None:
    campaign = nothing_to_train_on(tmp_path)
    with scheduler(threads=1) as address:
        events: list[tuple[str, str]] = []

        def report(member: Member, state: State, event: str) -> None:
            events.append((member.name, event))

        members = run_campaign(campaign, tmp_path / "out", cluster=address, report=report)
    assert sorted(events) == [("particle_11", "failed"), ("particle_22", "failed")]
    for member in members:
        state = member.state()
        assert state.attempts == 1 and "none.h5" in state.reason  # not tried again
        assert "attempt 1 on" in member.log.read_text()


def test_workers_that_take_several_at_a_time_are_refused(tmp_path: Path) -> None:
    with scheduler(threads=2) as address:
        members = run_campaign(nothing_to_train_on(tmp_path), tmp_path / "out", cluster=address)
    for member in members:
        assert member.state().status == "failed"
        assert "takes 2 tasks at a time; start workers with --nthreads 1" in member.state().reason


def test_what_is_no_fault_of_the_input_is_tried_again(tmp_path: Path) -> None:
    campaign = nothing_to_train_on(tmp_path)
    for plan in campaign.members:
        (tmp_path / "out/members" / plan.name / "log.txt").mkdir(parents=True)
    events: list[str] = []
    with scheduler(threads=1) as address:
        members = run_campaign(
            campaign,
            tmp_path / "out",
            cluster=address,
            retries=1,
            report=lambda member, state, event: events.append(event),
        )
    assert sorted(events) == ["again", "again", "failed", "failed"]
    for member in members:
        state = member.state()
        assert state.attempts == 2 and state.reason.startswith("IsADirectoryError")
        assert len(state.earlier) == 1


def test_no_scheduler_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = nothing_to_train_on(tmp_path)
    for cluster, message in (
        ("nonsense://a", "no dask scheduler at nonsense://a: .*expected local, slurm, htcondor"),
        ("slurm", r"needs to know the memory of a job: set it in \[cluster\]"),
    ):
        with pytest.raises(CaloganError, match=f"(?s){message}"):
            run_campaign(campaign, tmp_path / "out", cluster=cluster)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(
        CaloganError, match=r"needs dask-jobqueue: pip install 'calogan\[cluster\]'"
    ):
        run_campaign(campaign, tmp_path / "out", cluster="htcondor")
    with pytest.raises(CaloganError, match="is no campaign's folder"):
        members_of(tmp_path / "none")


def test_workers_that_never_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calogan.campaigns.run.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("calogan.campaigns.run.PATIENCE_SECONDS", 0.5)
    with (
        scheduler(threads=1, workers=0) as address,
        pytest.raises(CaloganError, match="has had no worker for 1 s; start workers with"),
    ):
        run_campaign(nothing_to_train_on(tmp_path), tmp_path / "out", cluster=address)


def test_a_scheduler_that_goes_away(tmp_path: Path) -> None:
    """That is no member's fault: the campaign ends, and none is said to have failed."""
    address = f"tcp://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    with subprocess.Popen([*command, "--port", address.rpartition(":")[2]]) as process:
        killer = threading.Timer(5, process.kill)
        killer.start()
        with pytest.raises(CaloganError, match="scheduler is gone, or has dropped the members"):
            run_campaign(nothing_to_train_on(tmp_path), tmp_path / "out", cluster=address)
        killer.join()
    assert {member.state().status for member in members_of(tmp_path / "out")} == {"waiting"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_jobs_of_a_batch_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dask-jobqueue submits by Slurm's commands, here two that run a job at once."""
    commands = {
        "sbatch": 'cp "$1" $JOBS/job.sh; sh $JOBS/job.sh >$JOBS/log 2>&1 & echo "Submitted job $!"',
        "scancel": 'kill "$1"',
    }
    for name, text in commands.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "jobs").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("JOBS", str(tmp_path / "jobs"))
    monkeypatch.chdir(tmp_path)
    settings = 'cluster = { memory = "1GB", queue = "long", walltime = "01:00:00", job_cpu = 3 }'
    campaign = nothing_to_train_on(tmp_path, settings)
    members = run_campaign(campaign, tmp_path / "out", cluster="slurm")
    assert all("none.h5" in member.state().reason for member in members)
    job = (tmp_path / "jobs/job.sh").read_text()
    assert "#SBATCH -p long" in job and "#SBATCH --cpus-per-task=3" in job and "--nthreads 1" in job
