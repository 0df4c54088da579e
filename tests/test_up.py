"""`flask up` and the supervisor under it: what starts, what is started again, what stops."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from portal import supervisor as supervisor_module
from portal.embedded import Embedded, Urls
from portal.errors import Refused, Unavailable
from portal.supervisor import Part, PartFailed, Stopped, Supervisor
from portal.up import complete, keys, look_at, stages, urls_given
from tests.patience import SECONDS, wait_until
from tests.ports import free_port
from tests.reading import read

HOME = Path(__file__).resolve().parents[1]

WAITS = "import time; print('I wait', flush=True); time.sleep(60)"
IS_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('I stay', flush=True); time.sleep(60)"
)
SERVES = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
HAS_A_CHILD = "import os, time; os.fork(); time.sleep(60)"
DIES_LATER = "import time; time.sleep(0.15); print('I cannot go on', flush=True); raise SystemExit(3)"


def stand_in(name: str, code: str, *arguments: str, **options: object) -> Part:
    return Part(name, "stands in", (sys.executable, "-c", code, *arguments), **options)  # type: ignore[arg-type]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor_module, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(supervisor_module, "LOOK_EVERY", 0.02)
    supervisor = Supervisor(tmp_path, {**os.environ, "WORD": "hello"}, tmp_path, said.append)
    yield supervisor
    supervisor.ask_to_stop()
    supervisor.ask_to_stop()
    supervisor.stop()


def in_session_of(pid: int) -> list[int]:
    """The processes of a part's session, but those that are dead and only wait to be counted by init."""
    listed = subprocess.run(["ps", "-s", str(pid), "-o", "pid=,stat="], capture_output=True, text=True, check=False)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(number) for number, state in rows if not state.startswith("Z")]


def pid_of(supervisor: Supervisor, name: str) -> int:
    return next(
        running.process.pid
        for stage in supervisor._stages
        for running in stage
        if running.part.name == name and running.process
    )


def watch_until(supervisor: Supervisor, is_true: Callable[[], bool]) -> None:
    """Watch in the main thread, as it has to be, and be asked to stop when something is true."""

    def look() -> None:
        try:
            wait_until(is_true)
        finally:
            supervisor.ask_to_stop()

    asker = threading.Thread(target=look)
    asker.start()
    supervisor.watch()
    asker.join()
    assert is_true()


def test_a_part_is_started_when_it_answers(supervisor, said):
    port = free_port()
    supervisor.start([stand_in("web", SERVES, str(port), health=f"http://127.0.0.1:{port}/health")])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    assert "web          stands in" in said


def test_a_part_that_does_not_start_is_named_with_its_last_words(supervisor):
    failing = stand_in("web", "raise SystemExit('no such colour')", health=f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(PartFailed, match=r"(?s)web did not start.*code 1.*no such colour"):
        supervisor.start([failing])


def test_a_part_without_address_that_gives_up_at_once_is_named_too(supervisor):
    supervisor.start([stand_in("worker", DIES_LATER)])
    with pytest.raises(PartFailed, match=r"(?s)worker did not start.*code 3.*I cannot go on"):
        supervisor.watch()


def test_a_part_that_never_answers_is_given_up(supervisor, monkeypatch):
    monkeypatch.setattr(supervisor_module, "START_SECONDS", 0.3)
    with pytest.raises(PartFailed, match=r"web did not answer within .*refused"):
        supervisor.start([stand_in("web", WAITS, health=f"http://127.0.0.1:{free_port()}/")])


def test_a_part_that_is_killed_is_started_again_and_said_so(supervisor, said):
    supervisor.start([stand_in("worker", WAITS)])
    first = pid_of(supervisor, "worker")
    os.kill(first, signal.SIGKILL)
    watch_until(supervisor, lambda: pid_of(supervisor, "worker") != first and "worker       | I wait" in said)
    assert any(re.search(r"(?s)worker ended \(by SIGKILL\).*started again in", words) for words in said)


def test_five_quick_deaths_in_a_row_stop_everything_with_the_reason(supervisor, said, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_SECONDS", 0.0)
    supervisor.start([stand_in("worker", DIES_LATER)])
    with pytest.raises(PartFailed, match=r"(?s)worker died 5 times in a row.*I cannot go on"):
        supervisor.watch()
    assert sum("started again" in words for words in said) == 4


def test_deaths_far_apart_are_forgiven(supervisor, said, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(supervisor_module, "QUICK_SECONDS", 0.1)
    supervisor.start([stand_in("worker", DIES_LATER)])
    watch_until(supervisor, lambda: sum("started again" in words for words in said) > 4)


def test_a_killed_part_takes_its_children_along(supervisor):
    supervisor.start([stand_in("worker", HAS_A_CHILD)])
    first = pid_of(supervisor, "worker")
    wait_until(lambda: len(in_session_of(first)) == 2)
    os.kill(first, signal.SIGKILL)
    watch_until(supervisor, lambda: pid_of(supervisor, "worker") != first)
    assert in_session_of(first) == []


def test_a_stop_leaves_no_process_and_ends_the_last_stage_first(supervisor, tmp_path):
    notes = "import signal, sys, time\ndef note(*_):\n    open('order', 'a').write(sys.argv[1]); sys.exit()\n"
    notes += "signal.signal(signal.SIGTERM, note); print('ready', flush=True); time.sleep(60)"
    supervisor.start([stand_in("first", notes, "1")])
    supervisor.start([stand_in("second", notes, "2"), stand_in("third", HAS_A_CHILD)])
    pids = [pid_of(supervisor, name) for name in ("first", "second", "third")]
    wait_until(lambda: all((tmp_path / f"{name}.log").exists() for name in ("first", "second")))
    wait_until(lambda: len(in_session_of(pids[2])) == 2)
    supervisor.stop()
    assert (tmp_path / "order").read_text() == "21"
    assert [in_session_of(pid) for pid in pids] == [[], [], []]


def test_a_stubborn_part_is_killed_when_its_time_is_up_or_at_the_second_request(supervisor, said):
    for grace, times in ((0.3, 1), (30.0, 2)):
        supervisor.start([stand_in("worker", IS_STUBBORN, grace=grace)])
        wait_until(lambda: "worker       | I stay" in said)
        pid = pid_of(supervisor, "worker")
        for _ in range(times):
            supervisor.ask_to_stop()
        began = time.monotonic()
        supervisor.stop()
        assert time.monotonic() - began < 15
        assert in_session_of(pid) == []
        said.clear()


def test_a_command_is_run_to_its_end_and_what_it_prints_is_kept(supervisor, said, tmp_path):
    code = "import os, sys; print(os.environ['WORD']); print('by the way', file=sys.stderr)"
    assert supervisor.run(stand_in("demo", code)) == ["hello"]
    assert said == []
    assert (tmp_path / "demo.log").read_text().splitlines() in (["hello", "by the way"], ["by the way", "hello"])


def test_a_command_that_fails_is_named_with_its_last_words(supervisor):
    with pytest.raises(PartFailed, match=r"(?s)migration ended \(code 1\).*relation is missing"):
        supervisor.run(stand_in("migration", "raise SystemExit('relation is missing')"))


def test_of_a_traceback_the_exception_is_shown(supervisor):
    code = "def deep(n):\n    if not n: raise ValueError('the cause\\n[SQL: SELECT\\n1]')\n    deep(n - 1)\ndeep(50)"
    with pytest.raises(PartFailed) as failed:
        supervisor.run(stand_in("migration", code))
    assert "\n  ValueError: the cause\n" in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_a_request_to_stop_ends_a_start_that_takes_long(supervisor):
    supervisor.ask_to_stop()
    with pytest.raises(Stopped):
        supervisor.run(stand_in("demo", WAITS))


def test_a_long_log_begins_anew_and_the_one_before_is_kept(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor_module, "LOG_BYTES", 1000)
    supervisor.run(stand_in("demo", "for number in range(300): print(number)"))
    assert (tmp_path / "demo.log").read_text().endswith("299\n")
    assert (tmp_path / "demo.log.1").stat().st_size < 1100


def test_what_is_set_already_stays_as_it_is(tmp_path):
    urls = Urls("postgresql://app", "postgresql://owner", "redis://it")
    environment = {"KONTOR_URL": "https://shop.example", "KONTOR_AMAZON_CLIENT_ID": "", "KONTOR_DATA": "data"}
    made = complete(environment, urls, {"KONTOR_KEYS": "1:abc"}, tmp_path, 8000, demo=True)
    assert made["KONTOR_URL"] == "https://shop.example"
    assert made["KONTOR_AMAZON_CLIENT_ID"] == "amzn1.application-oa2-client.kontor"
    assert made["KONTOR_AMAZON_URL"] == "http://127.0.0.1:8001"
    assert made["KONTOR_DATA"] == str(tmp_path)
    assert "KONTOR_AMAZON_URL" not in complete(environment, urls, {}, tmp_path, 8000, demo=False)
    assert "KONTOR_PRIVATE_NETWORKS" not in made, "it has an address: others than who sits here may use it"
    assert complete({}, urls, {}, tmp_path, 8000, demo=False)["KONTOR_PRIVATE_NETWORKS"] == "127.0.0.0/8,::1"


def test_keys_are_made_once_and_readable_by_the_user_alone(tmp_path):
    made = keys(tmp_path, {})
    assert keys(tmp_path, {}) == made
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_keys_that_are_set_are_not_written_down(tmp_path):
    keys(tmp_path, {"KONTOR_KEYS": "1:abc", "KONTOR_SECRET_KEY": "word"})
    assert not (tmp_path / "keys.json").exists()


def test_one_role_for_both_databases_gives_a_warning(servers):
    given = urls_given({"DATABASE_URL": servers.database})
    assert given.database_owner == servers.database
    assert ["DATABASE_OWNER_URL is not set" in warning for warning in look_at(given)] == [True]
    assert list(look_at(Urls(servers.database, servers.database_owner, servers.redis))) == []


def test_servers_of_others_that_do_not_answer_are_named():
    port = free_port()
    with pytest.raises(Unavailable, match="database of DATABASE_URL does not answer"):
        list(look_at(Urls(database=f"postgresql://someone@127.0.0.1:{port}/x")))
    with pytest.raises(Unavailable, match="Redis of REDIS_URL does not answer"):
        list(look_at(Urls(redis=f"redis://127.0.0.1:{port}")))


def test_the_owner_alone_is_refused():
    with pytest.raises(Refused, match="DATABASE_URL is not"):
        urls_given({"DATABASE_OWNER_URL": "postgresql://owner"})


def test_the_sandbox_runs_before_the_workers_and_only_in_the_demo(tmp_path):
    hands = ["workers", "scheduler"]
    assert [[part.name for part in stage] for stage in stages(8000, True, tmp_path, "https://demo.example.com")] == [
        ["sandbox", "web"],
        hands,
    ]
    assert [[part.name for part in stage] for stage in stages(8000, False, tmp_path, "")] == [["web"], hands]


def test_a_demo_shows_its_orders_within_seconds(tmp_path):
    command = stages(8000, True, tmp_path, "https://demo.example.com")[0][0].command
    assert command[command.index("--plan") + 1] == "fast"
    assert command[command.index("--min-age") + 1] == "0"
    assert command[command.index("--redirect-uri") + 1] == "https://demo.example.com/cloud/callback/amazon"


# The command itself


def on(data: Path) -> dict[str, str]:
    """The environment of whoever has set nothing but the data folder."""
    kept = {name: value for name, value in os.environ.items() if not re.match("KONTOR|DATABASE|REDIS", name)}
    return kept | {"KONTOR_DATA": str(data)}


class Up:
    """`flask up` in a process of its own, its lines as they come."""

    def __init__(self, data: Path, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "up", "--port", str(port)],
            cwd=HOME,
            env=on(data),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in iter(self.process.stdout.readline, ""))

    def ended(self) -> int:
        """How it ended, once all that it said has been read."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return status

    def wait_for(self, words: str) -> str:
        def look() -> str | None:
            found = next((line for line in list(self.lines) if words in line), None)
            assert found or self.process.poll() is None, self.said()
            return found

        return wait_until(look, self.said) or ""

    def said(self) -> str:
        return "\n".join(self.lines)


def beside(data: Path, *command: str, **settings: str) -> str:
    """What another command says in another terminal."""
    flask, environment = [sys.executable, "-m", "flask", "--app", "wsgi"], on(data) | settings
    done = subprocess.run([*flask, *command], cwd=HOME, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def of_this_installation(data: Path) -> list[str]:
    """The command lines of all processes that have this data folder in their environment or are its servers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            mine = str(data).encode() in (entry / "environ").read_bytes() or str(data) in str(
                (entry / "cwd").readlink()
            )
            if mine:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and the kernel has to help")
def test_flask_up_revives_what_dies_survives_its_own_death_and_stops_without_a_trace(tmp_path):
    port = free_port()
    up = Up(tmp_path, port)
    try:
        assert f"http://127.0.0.1:{port}" in up.wait_for("Kontor is ready")
        for name in ("PostgreSQL", "Valkey", "migration", "web", "workers", "scheduler"):
            up.wait_for(name)
        assert answers_well(port)
        first = {"company": "Muster", "customer_number": "1", "time_zone": "Europe/Berlin", "user_name": "Mia"}
        first |= {"email": "mia@example.com", "password": "a long password", "password_again": "a long password"}
        assert set_up(port, first).status_code == 200
        assert beside(tmp_path, "sign-in-link", "mia@example.com").startswith(f"http://127.0.0.1:{port}/sign-in/")
        assert "0 secrets are sealed anew." in beside(tmp_path, "reseal")
        others = beside(tmp_path, "reseal", KONTOR_KEYS="2:" + "A" * 43 + "=")
        assert "runs with other KONTOR_KEYS." in others and "sealed anew" not in others
        for server in ("postgresql", "valkey"):
            os.kill(int((tmp_path / "log" / f"{server}.pid").read_text()), signal.SIGKILL)
        (pool,) = children_of(up.process.pid, "flask workers")
        wait_until(lambda: len(children_of(pool, "flask workers")) == 2, up.said)
        os.kill(children_of(pool, "flask workers")[0], signal.SIGKILL)
        up.wait_for("worker_ended")
        wait_until(lambda: len(children_of(pool, "flask workers")) == 2, up.said)
        os.kill(pool, signal.SIGKILL)
        for name in ("PostgreSQL", "Valkey", "workers"):
            up.wait_for(f"{name} is started again")
        wait_until(lambda: answers_well(port), up.said)
    finally:
        up.process.kill()
        up.process.wait()

    again = Up(tmp_path, port)
    try:
        again.wait_for("Kontor is ready")
        again.process.send_signal(signal.SIGINT)
        assert again.process.wait(SECONDS) == 0
        wait_until(lambda: of_this_installation(tmp_path) == [])  # those of the first had time, too
        assert f"No Kontor is running on {tmp_path}." in beside(tmp_path, "reseal")
    finally:
        again.process.kill()
        again.process.wait()


def children_of(pid: int, command: str) -> list[int]:
    """The processes that this one has started with such a command."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", command], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def set_up(port: int, form: dict[str, str]) -> requests.Response:
    """The first run, as a browser does it."""
    with requests.Session() as browser:
        page = read(browser.get(f"http://127.0.0.1:{port}/first-run", timeout=SECONDS).text)
        token = page.all("input", name="csrf_token")[0].attributes["value"]
        return browser.post(f"http://127.0.0.1:{port}/first-run", form | {"csrf_token": token}, timeout=SECONDS)


def answers_well(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = Up(tmp_path / "data", port)
        assert up.ended() == 1
    assert any(f"Port {port} is taken by another program" in line for line in up.lines)
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_second_flask_up_on_one_folder_says_who_has_it(tmp_path):
    with Embedded(tmp_path, wanted=[]):
        up = Up(tmp_path, free_port())
        assert up.ended() == 1
    assert any(f"Another Kontor is running on {tmp_path} (process {os.getpid()})" in line for line in up.lines)
