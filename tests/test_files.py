from __future__ import annotations

import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from calogan.errors import CaloganError
from calogan.files import (
    atomic_path,
    locked,
    parse_toml,
    read_text,
    refuse_remote,
    sha256,
    write_json,
)


def test_atomic_write(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.endswith("file.txt")
        temporary.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_permissions_are_those_of_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "atomic") as temporary:
        temporary.write_text("")
    plain, atomic = ((tmp_path / name).stat().st_mode for name in ("plain", "atomic"))
    assert stat.S_IMODE(plain) == stat.S_IMODE(atomic)


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            raise failure

    with pytest.raises(failure):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match="it is a folder"), atomic_path(tmp_path):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(CaloganError, match="cannot write"), atomic_path(tmp_path / "file" / "x"):
        pass


def test_a_full_disk(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(CaloganError, match=r"cannot write .*a\.json: .*is the disk full"):
            write_json(tmp_path / "a.json", ["much"] * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "a.json").read_text() == "[\n 1\n]\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_locks(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    # The lock of a process that was killed is gone, whatever it wrote into the file.
    script = (
        "import sys, time; from pathlib import Path; from calogan.files import locked\n"
        "with locked(Path(sys.argv[1]), wait=False): print('has it', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "has it\n"
        with (
            pytest.raises(
                CaloganError, match=f"another process works on .*: process {process.pid} on "
            ),
            locked(lock, wait=False),
        ):
            pass
        process.kill()
    with locked(lock, wait=False):
        pass


def test_remote_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.root", "dir/a.root", "C:/a.root", "run:7.root"):
        refuse_remote(name)
    with pytest.raises(CaloganError, match=r"root://h//a\.root is a remote file; .*xrdcp"):
        refuse_remote("root://h//a.root")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run:").mkdir()
    (tmp_path / "run:" / "a.root").touch()
    refuse_remote("run:/a.root")


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_text_and_toml(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x = 1 # é", encoding="utf-8")
    assert parse_toml(read_text(tmp_path / "a", "card"), "card") == {"x": 1}
    with pytest.raises(CaloganError, match="card is not valid TOML"):
        parse_toml("x = ", "card")
    with pytest.raises(CaloganError, match=r"cannot read card .*none"):
        read_text(tmp_path / "none", "card")
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(CaloganError, match="cannot read card"):
        read_text(tmp_path / "b", "card")
