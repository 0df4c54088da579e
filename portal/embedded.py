"""PostgreSQL 18 and Valkey from their wheels, in one data folder, for those who have no servers."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from portal.errors import Refused
from portal.servers import SUPERUSER, PortTaken, Postgres, Server, Valkey

PORT_TRIES = 3


@dataclass(frozen=True)
class Urls:
    """Where the servers answer, for the roles of their users. Empty for a server that was not wanted."""

    database: str = ""
    database_owner: str = ""
    redis: str = ""


class Embedded:
    """The servers of one data folder: `with Embedded(folder) as urls`.

    They end with the process that started them, even a killed one, and start again where they
    were. `durable=False` is quicker, and loses everything if the machine (not the process)
    crashes. Start it from the main thread (see processes.spawn).
    """

    def __init__(
        self, data: Path, *, durable: bool = True, wanted: Collection[type[Server]] = (Postgres, Valkey)
    ) -> None:
        self.data = data.absolute()
        self.durable = durable
        self.wanted = wanted
        self.servers: dict[str, Server] = {}
        self._lock: int | None = None

    def __enter__(self) -> Urls:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, interrupted: Callable[[], bool] = lambda: False) -> Urls:
        """Start what is wanted and return where it answers.

        Raises NotStarted or Refused, with a sentence that says which part failed and why; nothing
        runs then. `interrupted` turning true ends the wait for a server that takes long.
        """
        try:
            self.open()
            with _in_words(self.data):
                for _ in range(PORT_TRIES - 1):
                    try:
                        return self._start(interrupted)
                    except PortTaken:
                        self._stop_servers()
                return self._start(interrupted)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what runs, Valkey first, and let go of the folder."""
        self._stop_servers()
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # a forked child may still hold the descriptor
            os.close(self._lock)
            self._lock = None

    def poll(self) -> str | None:
        """The name of a server that has died, None if all is well."""
        return next((name for name, server in self.servers.items() if server.how_it_ended() is not None), None)

    def revive(self, name: str, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Start a server that has died again, on its port. Raises NotStarted."""
        server = self.servers[name]
        with _in_words(self.data):
            server.end_leftovers()
            server.start()
            server.wait(interrupted)

    def open(self) -> None:
        """Make the folder and take it for us alone, until `stop`. Raises Refused. `start` does it, too."""
        if self._lock is not None:
            return
        with _in_words(self.data):
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.data / "log").mkdir(mode=0o700, exist_ok=True)
            lock = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(lock, 20).decode() or "unknown"
                os.close(lock)
                raise Refused(f"Another Kontor is running on {self.data} (process {holder}).") from error
            self._lock = lock
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)

    def _start(self, interrupted: Callable[[], bool]) -> Urls:
        known = recall(self.data / "servers.json")
        for name in (SUPERUSER, "kontor_owner", "kontor_app", "valkey"):
            known.setdefault(name, secrets.token_urlsafe(24))
        postgres, valkey = _servers(self.data, known, self.durable)
        # In this order they start, are asked and are stopped: Valkey is up while PostgreSQL still works.
        self.servers = {server.name: server for server in (valkey, postgres) if type(server) in self.wanted}
        for server in self.servers.values():
            server.end_leftovers()
        valkey.port, postgres.port = _ports([known.get("valkey_port", "0"), known.get("postgres_port", "0")])
        known |= {"valkey_port": str(valkey.port), "postgres_port": str(postgres.port)}
        if known != recall(self.data / "servers.json"):
            keep(self.data / "servers.json", known)  # before the first start: the passwords must not be lost

        for server in self.servers.values():
            server.start()
        for server in self.servers.values():
            server.wait(interrupted)
        if Postgres in self.wanted:
            postgres.make_roles()
        return Urls(
            postgres.url("kontor_app") if Postgres in self.wanted else "",
            postgres.url("kontor_owner") if Postgres in self.wanted else "",
            valkey.url if Valkey in self.wanted else "",
        )

    def _stop_servers(self) -> None:
        for server in self.servers.values():
            server.stop()
        self.servers = {}


# Said where what a running one writes down is not there yet.
STILL_STARTING = (
    "The Kontor on {data} is still starting, or is of an older version. Try again in a moment, or restart it."
)


def running(data: Path) -> Urls:
    """Where the servers of a folder answer that another process has started. Raises Refused where none has."""
    data = data.absolute()
    try:
        with (data / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        known = recall(data / "servers.json")
        if not {"postgres_port", "valkey_port", "valkey"} <= known.keys():
            raise Refused(STILL_STARTING.format(data=data)) from None
        postgres, valkey = _servers(data, known, durable=True)
        postgres.port, valkey.port = int(known["postgres_port"]), int(known["valkey_port"])
        return Urls(postgres.url("kontor_app"), postgres.url("kontor_owner"), valkey.url)
    except FileNotFoundError:
        pass
    raise Refused(f"No Kontor is running on {data}. Start it by flask up, or set DATABASE_URL and REDIS_URL.")


def recall(path: Path) -> dict[str, str]:
    """What was kept in this file. Raises Refused where somebody has damaged it."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise Refused(f"{path} is damaged; it holds passwords or keys. Put a copy of it back.") from error


def keep(path: Path, values: dict[str, str]) -> None:
    """Write secrets down so that only our user reads them, all of them or none."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(values, indent=1))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _servers(data: Path, known: dict[str, str], durable: bool) -> tuple[Postgres, Valkey]:
    """The servers of a folder, with the passwords that are known; their ports are still to be set."""
    log = data / "log"
    return (
        Postgres(data / "postgres", log / "postgresql.log", known, durable=durable),
        Valkey(data / "valkey", log / "valkey.log", known["valkey"], durable=durable),
    )


def _ports(remembered: list[str]) -> list[int]:
    """For each the remembered port if it is free, else another. All are held until all are chosen."""
    chosen = []
    for port in map(int, remembered):
        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        chosen.append(probe)
    ports = [probe.getsockname()[1] for probe in chosen]
    for probe in chosen:
        probe.close()
    return ports


@contextlib.contextmanager
def _in_words(data: Path) -> Iterator[None]:
    """Turn what the system says about the folder into a sentence about it."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Refused(f"The disk that holds the data folder {data} is full.") from error
        place = f" ({error.filename})" if error.filename and str(error.filename) != str(data) else ""
        raise Refused(f"The data folder {data} cannot be used: {error.strerror}{place}.") from error
