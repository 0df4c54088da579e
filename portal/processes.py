"""Starting processes that do not outlive us, ending them, and finding those that somebody left behind."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from sqlalchemy.orm import configure_mappers

PR_SET_PDEATHSIG = 1  # prctl(2): a signal to us when the thread that started us ends
PROC = Path("/proc")
# Looked up before any fork: between fork and exec nothing may take the loader's lock.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

Stream = IO[Any] | int | None


class User(NamedTuple):
    """Whom a process runs as."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.STDOUT,
    user: User | None = None,
    when_we_die: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that a Ctrl-C in the terminal reaches only us.

    On Linux it gets `when_we_die` even if we are killed. Call it from the main thread: the kernel
    watches the thread that starts a process, not the whole of its parent.
    """
    us = os.getpid()

    def prepare() -> None:  # runs after the change of user, which would clear the setting
        die_with_parent(us, when_we_die)

    return subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(environment),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        preexec_fn=prepare,
    )


def die_with_parent(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """For a process that was just forked: be sent this signal when the parent ends, where the system can do it."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it was killed before the setting held
            os._exit(1)


# New objects after which cycles among them are looked for: a page makes thousands, hardly any of them in cycles.
GARBAGE_EVERY = 20_000


def settle(garbage_every: int = GARBAGE_EVERY) -> None:
    """What is loaded by now stays: the collector passes it by from here on.

    Walking through it held up a request by 100 ms, again and again. And looking for cycles at every 700 new objects
    took a tenth of a page's time, a sixth of the slow ones' (tests/benchmarks/pages.py).
    """
    configure_mappers()
    gc.collect()
    gc.freeze()
    gc.set_threshold(garbage_every, 20, 20)
    gc.enable()


def end(
    processes: Iterable[subprocess.Popen[bytes]],
    number: signal.Signals = signal.SIGTERM,
    seconds: float = 5.0,
    hurried: Callable[[], bool] = lambda: False,
) -> bool:
    """Ask all to end, wait `seconds` at most for all together, then kill what is left of their sessions.

    `hurried` turning true shortens the wait. Returns True if nobody had to be killed.
    """
    ended = [process for process in processes if process.poll() is None]
    for process in ended:
        process.send_signal(number)
    deadline = time.monotonic() + seconds
    while any(process.poll() is None for process in ended) and time.monotonic() < deadline and not hurried():
        time.sleep(0.02)
    willing = all(process.poll() is not None for process in ended)
    for process in ended:
        kill_session(process)
    return willing


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and whatever it has started and left in its session. Waits for it."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pid in _members(process.pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def working_in(folder: Path, binary: str, remembered: int = 0) -> list[int]:
    """The processes of this binary whose working folder is `folder`, whoever started them.

    Both servers stay in their folder as long as they run, which a process id in a file does not
    tell: ids are used again. Where there is no /proc, only the `remembered` id is looked at.
    """
    if not PROC.is_dir():
        return [remembered] if _is(remembered, binary) else []
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended meanwhile, or not ours
                executable = Path((entry / "exe").readlink().as_posix().removesuffix(" (deleted)")).name
                if executable == binary and (entry / "cwd").samefile(folder):
                    found.append(int(entry.name))
    return sorted(found)


def end_leftovers(find: Callable[[], list[int]], number: signal.Signals, seconds: float = 10.0) -> None:
    """End processes that are not our children: ask with `number`, kill after `seconds`."""
    for chosen, patience in ((number, seconds), (signal.SIGKILL, 5.0)):
        pids = find()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, chosen)
        deadline = time.monotonic() + patience
        while pids and time.monotonic() < deadline:
            time.sleep(0.02)
            pids = find()


def _members(session: int) -> list[int]:
    """The processes of a session, without its leader."""
    found = []
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit() and int(entry.name) != session:
            with contextlib.suppress(OSError):
                # "pid (name) state ppid pgrp session ..."; the name may hold blanks and brackets
                if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                    found.append(int(entry.name))
    return found


def _is(pid: int, binary: str) -> bool:
    if pid <= 0:
        return False
    listed = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return binary in listed.stdout
