"""One PostgreSQL and one Valkey, each on its own folder: made, started, asked, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from redis import Redis
from redis.exceptions import RedisError

from portal import binaries, processes
from portal.errors import Refused, Unavailable

START_SECONDS = 30.0
RECOVERY_SECONDS = 1800.0  # after a crash PostgreSQL first reads its log again, which may be gigabytes
LOG_BYTES = 5_000_000
LAST_LINES = 5
STOP_SECONDS = 10.0
SUPERUSER = "kontor_super"

# For a small machine that takes bursts of writes. jit costs more than it gives at our row counts.
# Nothing below LOG is written, because the text of an error may quote a customer's data.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "192MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "jit": "off",
    # The passwords are random and long. What makes each guess at one costly makes each connection cost 10 ms.
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
# A crash of the machine may lose everything: for tests only.
FORGETFUL_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class NotStarted(Unavailable):
    """A server did not come up. The text says which and why, with the end of its log."""


class PortTaken(NotStarted):
    """Somebody else took the port between our look at it and the server's."""


class Server(ABC):
    """What both have in common: a folder, a port, a log, a process."""

    name: str
    binary: str
    clean_ending: signal.Signals

    def __init__(self, folder: Path, log: Path, *, durable: bool) -> None:
        self.folder = folder
        self.log = log
        self.port = 0  # to be set before the start
        self.durable = durable
        self.user = binaries.server_user(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_began = 0

    @abstractmethod
    def start(self) -> None:
        """Start it on its port; the first time, make its folder. It does not answer yet."""

    @abstractmethod
    def _problem(self) -> str | None:
        """What happens when we ask it something: None if it answers."""

    def wait(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Wait until it answers. Raises NotStarted."""
        began = time.monotonic()
        while (problem := self._problem()) is not None:
            recovering = any(words in problem for words in ("starting up", "recovery", "not yet accepting", "loading"))
            limit = RECOVERY_SECONDS if recovering else START_SECONDS
            if interrupted():
                raise NotStarted(f"{self.name} was still starting.")
            if self.how_it_ended() is not None:
                raise self._not_started()
            if time.monotonic() - began > limit:
                raise NotStarted(f"{self.name} did not answer within {limit:.0f} s: {problem}\n{self.last_words()}")
            time.sleep(0.03)

    def how_it_ended(self) -> str | None:
        """None as long as it runs, or was never started."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"{self.name} ended (code {self._process.returncode})."

    def last_words(self) -> str:
        """The end of what it logged since it was started."""
        if not self.log.exists():
            return "It left no log."
        with self.log.open("rb") as log:
            log.seek(self._log_began)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return "\n".join(["Its log ends with:", *lines[-LAST_LINES:]]) if lines else "Its log is empty."

    def stop(self) -> None:
        """Stop it cleanly; by force where that takes too long, after which its own log makes it whole."""
        if self._process is not None:
            processes.end([self._process], self.clean_ending, STOP_SECONDS)
            self.end_leftovers()
        self._process = None

    def end_leftovers(self) -> None:
        """End every process that still works in the folder: there are never two servers on one."""
        remembered = int(self._pid_file.read_text() or 0) if self._pid_file.exists() else 0
        processes.end_leftovers(
            lambda: processes.working_in(self.folder, self.binary, remembered), self.clean_ending, STOP_SECONDS
        )
        self._pid_file.unlink(missing_ok=True)

    def _spawn(self, command: list[str], stdin: int = subprocess.DEVNULL) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._log_began = log.tell()
            self._process = processes.spawn(
                command,
                folder=self.folder,
                environment=_environment(),
                stdin=stdin,
                stdout=log,
                user=self.user,
                when_we_die=self.clean_ending,
            )
        self._pid_file.write_text(str(self._process.pid))

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            os.chown(folder, self.user.uid, self.user.gid)

    def _not_started(self) -> NotStarted:
        log = self.last_words()
        if "ddress already in use" in log:
            return PortTaken(f"{self.name} did not start: port {self.port} is taken.")
        reason = f"{self.name} did not start"
        if "No space left on device" in log:
            reason += f": the disk that holds {self.folder} is full"
        return NotStarted(f"{reason}. {log}")

    @property
    def _pid_file(self) -> Path:
        return self.log.with_suffix(".pid")


class Postgres(Server):
    """PostgreSQL with a database `kontor`, a role that owns its tables, and one that obeys row policies."""

    name = "PostgreSQL"
    binary = "postgres"
    clean_ending = signal.SIGINT  # "fast": ends sessions, writes all down

    def __init__(self, folder: Path, log: Path, passwords: dict[str, str], *, durable: bool) -> None:
        super().__init__(folder, log, durable=durable)
        self._passwords = passwords

    def url(self, role: str, database: str = "kontor") -> str:
        """How `role` reaches a database."""
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        found = binaries.postgres(self.user)
        if not self.folder.exists():
            self._make_cluster(found)
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        if made_by != binaries.POSTGRES_VERSION:
            raise Refused(
                f"The data in {self.folder} was made by PostgreSQL {made_by}; this Kontor brings PostgreSQL "
                f"{binaries.POSTGRES_VERSION}. Dump it with the old one (pg_dump) and load it into a new folder."
            )
        # It does not trust a process id that is in use again, such as another's after a reboot. We
        # know better: whoever worked in the folder has been ended.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        settings = POSTGRES_SETTINGS | {"port": str(self.port)} | ({} if self.durable else FORGETFUL_SETTINGS)
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._spawn([str(found / "postgres"), "-D", self._seen_from_inside(self.folder), *options])

    def make_roles(self) -> None:
        """Make what is missing of the roles and the database. It may have been cut off the last time."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            for role in ("kontor_owner", "kontor_app"):
                if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                    connection.execute(
                        SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                            Identifier(role), Literal(self._passwords[role])
                        )
                    )
            if not connection.execute("SELECT FROM pg_database WHERE datname = 'kontor'").rowcount:
                connection.execute("CREATE DATABASE kontor OWNER kontor_owner")
        with psycopg.connect(self.url(SUPERUSER), autocommit=True) as connection:
            connection.execute(GRANTS)

    def _make_cluster(self, found: Path) -> None:
        """Make the folder under another name, so that one that bears the right name is whole."""
        fresh = self.folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_folder(fresh)
        with tempfile.TemporaryFile() as password:
            password.write(self._passwords[SUPERUSER].encode() + b"\n")
            password.seek(0)
            if self.user is not None:
                os.fchown(password.fileno(), self.user.uid, self.user.gid)  # it is opened anew by its name
            process = processes.spawn(
                [
                    *(str(found / "initdb"), "-D", self._seen_from_inside(fresh), "-U", SUPERUSER),
                    *("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
                    *("-A", "scram-sha-256", "--pwfile=/dev/stdin"),
                    *(() if self.durable else ("--no-sync",)),
                ],
                folder=fresh,
                environment=_environment(),
                stdin=password,
                stdout=subprocess.PIPE,
                user=self.user,
            )
            said = process.communicate()[0].decode(errors="replace").strip().splitlines()
        if process.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            full = ": the disk is full" if any("No space left" in line for line in said) else ""
            raise NotStarted(
                f"PostgreSQL could not make its folder {self.folder}{full}. It said:\n" + "\n".join(said[-LAST_LINES:])
            )
        fresh.rename(self.folder)

    def _seen_from_inside(self, folder: Path) -> str:
        """A name of `folder` for a process that works in it.

        As another user than root it may be unable to pass through the folders above, but it is
        there already, and this name leads there without passing through them.
        """
        inside = Path("/proc/self/cwd")
        return str(inside) if self.user is not None and inside.exists() else str(folder)

    def _problem(self) -> str | None:
        try:
            psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Refused(
                    f"The database in {self.folder} was made with other passwords than servers.json beside it holds."
                ) from error
            return str(error)
        return None


GRANTS = """
REVOKE ALL ON DATABASE kontor FROM PUBLIC;
GRANT CONNECT ON DATABASE kontor TO kontor_app;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO kontor_owner;
GRANT USAGE ON SCHEMA public TO kontor_app;
ALTER DEFAULT PRIVILEGES FOR ROLE kontor_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kontor_app;
ALTER DEFAULT PRIVILEGES FOR ROLE kontor_owner GRANT USAGE, SELECT ON SEQUENCES TO kontor_app;
ALTER DEFAULT PRIVILEGES FOR ROLE kontor_owner GRANT EXECUTE ON FUNCTIONS TO kontor_app;
"""


class Valkey(Server):
    """Valkey, which writes down what it is told before it answers."""

    name = "Valkey"
    binary = "valkey-server"
    clean_ending = signal.SIGTERM

    def __init__(self, folder: Path, log: Path, password: str, *, durable: bool) -> None:
        super().__init__(folder, log, durable=durable)
        self._password = password

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._make_folder(self.folder)
        # By stdin, since everybody can read a command line. It works in its folder, so "dir" is not set.
        settings = (
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self._password}\n"
            f'appendonly yes\nappendfsync {"everysec" if self.durable else "no"}\nsave ""\n'
            "maxmemory-policy noeviction\ndaemonize no\nloglevel notice\n"
        )
        reading, writing = os.pipe()
        try:
            self._spawn([str(binaries.valkey(self.user)), "-"], stdin=reading)
            os.write(writing, settings.encode())
        finally:
            os.close(reading)
            os.close(writing)

    def _problem(self) -> str | None:
        client = Redis.from_url(self.url, socket_connect_timeout=2, socket_timeout=2)
        try:
            client.ping()
        except RedisError as error:
            return str(error)
        finally:
            client.close()
        return None


def _environment() -> dict[str, str]:
    """Ours without what would change a PostgreSQL that is not ours alone, and with messages in English."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
