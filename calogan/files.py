"""Files: atomic writes, hashes, TOML, JSON."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calogan.errors import CaloganError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place only if the block succeeds.

    A failed or interrupted write leaves an old file at `path` whole.
    """
    path = Path(path)
    if path.is_dir():
        raise CaloganError(f"cannot write {path}: it is a folder, expected a file name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".{path.name}", dir=path.parent)
    except OSError as error:
        raise CaloganError(f"cannot write {path}: {error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        try:
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        except OSError as error:
            raise CaloganError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path, also: type[Exception] = OSError) -> Iterator[None]:
    """OSError in the block, of a full disk above all, and `also` become a CaloganError."""
    try:
        yield
    except (OSError, also) as error:
        # HDF5 (RuntimeError) names buffers and offsets; the system's reason is what helps.
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else error
        raise CaloganError(
            f"cannot write {path}: {reason}; is the disk full, or a quota reached?"
        ) from error


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file that processes of any machine which sees it can lock, one at a time.

    The lock ends with its process, however that ends. Where another holds it: `wait` for that, or
    raise CaloganError saying which it is.
    """
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            file.seek(0)
            raise CaloganError(
                f"another process works on {path.parent}: {file.read().strip() or 'unknown'}; "
                "wait for it"
            ) from error
        except OSError as error:
            raise CaloganError(
                f"cannot lock {path}: {error}; expected a file system with flock"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def refuse_remote(name: str | Path) -> None:
    """Raise CaloganError for root://..., http://... and the like, which are not read here."""
    # A Path makes one slash of two.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(name)) and not Path(name).exists():
        raise CaloganError(
            f"{name} is a remote file; only local files are read, so copy it here first, "
            "a root:// one with xrdcp"
        )


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Parse TOML; `where` names the file in the error."""
    try:
        fields: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CaloganError(f"{where} is not valid TOML: {error}") from error
    return fields


def write_json(path: Path, value: Any) -> None:
    """Write JSON; an old file stays whole if the writing fails."""
    with writing(path), atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_text(path: str | Path, what: str) -> str:
    """Read a UTF-8 file; `what` names it in the error."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaloganError(f"cannot read {what} {path}: {error}") from error
