"""Keeps the processes of an installation running: starts them in stages, starts anew what dies, stops all."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from portal import processes
from portal.errors import Refused

START_SECONDS = 60.0
# A part that dies sooner than this after its start died quickly; so many in a row are a fault
# that starting again does not mend.
QUICK_SECONDS = 20.0
QUICK_DEATHS = 5
# A part that gives up by itself this soon after its first start never worked at all.
FIRST_SECONDS = 5.0
FIRST_PAUSE = 0.5  # before it is started again; doubles with every quick death
LOOK_EVERY = 0.1
LOG_BYTES = 5_000_000
KEPT_LINES = 400  # a traceback is long
LAST_LINES = 8
LONGEST_LINE = 64 * 1024
ROUTINE = '"level": "info"'  # in a line of portal/logs.py


class PartFailed(Refused):
    """A part did not come up, or died too often. The text says which and why, with its last lines."""


class Stopped(Exception):
    """Somebody asked us to stop while something was starting."""


@dataclass(frozen=True)
class Part:
    """A process of the installation."""

    name: str
    purpose: str
    command: Sequence[str]
    # An address that answers once the part works. Without one it need only stay alive.
    health: str = ""
    # Seconds it has to finish what it has in hand after SIGTERM.
    grace: float = 3.0


class Ending(NamedTuple):
    """How something ended, in a sentence, and whether it did so itself (not by a signal)."""

    words: str
    by_itself: bool


class Supervisor:
    """Runs parts with one environment; their lines go to `say` and to a file each in `logs`.

    All methods but `ask_to_stop` belong to the main thread.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], logs: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.environment = environment
        self.logs = logs
        self.say = say
        self._stages: list[list[_Running]] = []
        self._kept: list[_Kept] = []
        self._asked = 0

    def ask_to_stop(self) -> None:
        """Stop soon; asked again, at once. For signal handlers: it sets a number and nothing else."""
        self._asked += 1

    def asked_to_stop(self) -> bool:
        return self._asked > 0

    def hurried(self) -> bool:
        return self._asked > 1

    def run(self, part: Part) -> list[str]:
        """Run a command to its end and return what it printed; the rest is only logged. Raises PartFailed."""
        running = _Running(part, self, collect=True)
        self._stages.append([running])  # so that it is stopped with the others
        running.begin()
        while running.ending() is None:
            self._pause()
        self._stages.remove([running])
        running.stop()
        if (ending := running.ending()) is not None and running.failed():
            raise PartFailed(ending.words)
        return running.printed

    def start(self, parts: Sequence[Part]) -> None:
        """Start a stage and wait until each part of it works. Raises PartFailed."""
        stage = [_Running(part, self) for part in parts]
        self._stages.append(stage)
        for running in stage:
            running.begin()
        for running in stage:
            self._await(running)
            self.keep(running.part.name, running.begin, running.ending)
            self.say(f"{running.part.name:<12} {running.part.purpose}")

    def keep(self, name: str, begin: Callable[[], None], ending: Callable[[], Ending | None]) -> None:
        """Start something again, by `begin`, whenever `ending` says that it ended."""
        self._kept.append(_Kept(name, begin, ending))

    def watch(self) -> None:
        """Keep everything running until asked to stop. Raises PartFailed when something dies too often."""
        while not self.asked_to_stop():
            for kept in self._kept:
                self._look_at(kept, time.monotonic())
            time.sleep(LOOK_EVERY)

    def stop(self) -> None:
        """Stop all parts, the last stage first, those of a stage together."""
        while self._stages:
            stage = self._stages.pop()
            begun = [running.process for running in stage if running.process is not None]
            processes.end(begun, seconds=max(running.part.grace for running in stage), hurried=self.hurried)
            for running in stage:
                running.stop()
        self._kept = []

    def _await(self, running: _Running) -> None:
        """Wait until the part answers, or merely lives where it has no address."""
        deadline = time.monotonic() + START_SECONDS
        while running.ending() is None:
            problem = _health_problem(running.part.health) if running.part.health else None
            if problem is None:
                return
            if time.monotonic() > deadline:
                raise PartFailed(f"{running.part.name} did not answer within {START_SECONDS:.0f} s: {problem}.")
            self._pause()
        ending = running.ending()
        raise PartFailed(f"{running.part.name} did not start. {ending.words if ending else ''}")

    def _look_at(self, kept: _Kept, now: float) -> None:
        if kept.begin_again_at is not None:
            if now >= kept.begin_again_at:
                kept.begin_again_at = None
                kept.begin()
                kept.began = time.monotonic()
            return
        ending = kept.ending()
        if ending is None:
            return
        lived = now - kept.began
        kept.deaths += 1
        if kept.deaths == 1 and ending.by_itself and lived < FIRST_SECONDS:
            raise PartFailed(f"{kept.name} did not start. {ending.words}")
        kept.quick_deaths = kept.quick_deaths + 1 if lived < QUICK_SECONDS else 0
        if kept.quick_deaths >= QUICK_DEATHS:
            raise PartFailed(f"{kept.name} died {QUICK_DEATHS} times in a row. {ending.words}")
        pause = FIRST_PAUSE * 2 ** max(0, kept.quick_deaths - 1)
        kept.begin_again_at = now + pause
        self.say(f"{ending.words}\n{kept.name} is started again in {pause:g} s.")

    def _pause(self) -> None:
        if self.asked_to_stop():
            raise Stopped
        time.sleep(LOOK_EVERY)


@dataclass
class _Kept:
    name: str
    begin: Callable[[], None]
    ending: Callable[[], Ending | None]
    began: float = field(default_factory=time.monotonic)
    deaths: int = 0
    quick_deaths: int = 0
    begin_again_at: float | None = None


class _Running:
    """A part and its process, if it has one at the moment."""

    def __init__(self, part: Part, supervisor: Supervisor, *, collect: bool = False) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.printed: list[str] = []
        self._supervisor = supervisor
        self._collect = collect
        self._log = _Log(supervisor.logs / f"{part.name.replace(' ', '-')}.log")
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._readers: list[threading.Thread] = []

    def begin(self) -> None:
        self._last.clear()
        self.process = processes.spawn(
            self.part.command,
            folder=self._supervisor.folder,
            environment=self._supervisor.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self._collect else subprocess.STDOUT,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, take), daemon=True)
            for pipe, take in (
                (self.process.stdout, self.printed.append if self._collect else self._say),
                (self.process.stderr, _ignore),
            )
            if pipe is not None
        ]
        for reader in self._readers:
            reader.start()

    def ending(self) -> Ending | None:
        if self.process is None or self.process.poll() is None:
            return None
        self.stop()
        words = f"{self.part.name} ended ({_code(self.process.returncode)})."
        if self._last:
            words += f" It said (all of it is in {self._log.path}):\n"
            words += "\n".join(f"  {line}" for line in _essence(list(self._last)))
        return Ending(words, self.process.returncode >= 0)

    def failed(self) -> bool:
        return self.process is not None and self.process.returncode != 0

    def stop(self) -> None:
        """Kill what is left of it, and read its last lines."""
        if self.process is not None and self._readers:
            processes.kill_session(self.process)
            for reader in self._readers:
                reader.join(2)
            self._readers = []

    def _say(self, line: str) -> None:
        # What goes well is in the log; the terminal is for what a person should see.
        if not (line.startswith("{") and ROUTINE in line):
            self._supervisor.say(f"{self.part.name:<12} | {line}")

    def _read(self, pipe: IO[bytes], take: Callable[[str], None]) -> None:
        with pipe:
            for raw in iter(lambda: pipe.readline(LONGEST_LINE), b""):
                line = raw.decode(errors="replace").rstrip()
                self._log.write(line)
                if line:
                    self._last.append(line)
                take(line)


class _Log:
    """A file that begins anew when it is long, and keeps the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        # A full disk must not stop what it would tell of.
        with self._lock, contextlib.suppress(OSError):
            if self.path.exists() and self.path.stat().st_size > LOG_BYTES:
                self.path.replace(self.path.with_suffix(".log.1"))
            with self.path.open("a") as file:
                file.write(line + "\n")


def _essence(lines: list[str]) -> list[str]:
    """The lines that say why: the exception where a traceback stands near the end, else the last ones."""
    start = max((number for number, line in enumerate(lines) if line.startswith("Traceback ")), default=len(lines))
    for number in range(start + 1, len(lines)):
        if not lines[number].startswith(" "):
            near_the_end = len(lines) - number <= 2 * LAST_LINES
            return lines[number : number + LAST_LINES] if near_the_end else lines[-LAST_LINES:]
    return lines[-LAST_LINES:]


def _ignore(line: str) -> None:
    """Take a line that is only for the log."""


def _health_problem(address: str) -> str | None:
    """Why the address does not answer well; None if it does. Asks straight, whatever proxy is set."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read(500).decode(errors="replace").strip()
        return None if answer.status < 500 else f"{answer.status} {body}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def _code(code: int) -> str:
    """A return code in words: Popen gives a signal as a negative one."""
    if code >= 0:
        return f"code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
