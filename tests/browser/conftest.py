"""A real browser on a whole installation: `flask up` in a folder of its own, beside the sandbox marketplace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from portal.processes import spawn
from tests.browser import walking
from tests.patience import SECONDS
from tests.ports import free_port
from tests.sandbox.client import Sandbox

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Two processors that are busy have no use for more threads: a tenth of a page's cost.
    *("--in-process-gpu", "--disable-site-isolation-trials", "--js-flags=--single-threaded"),
]
OURS = ("KONTOR_", "DATABASE_", "REDIS_")  # what other tests set is not for this installation


@dataclass(frozen=True)
class Installation:
    url: str
    amazon: Sandbox
    folder: Path


@contextmanager
def launched(folder: Path) -> Iterator[Installation]:
    """An installation nobody has used yet, and a marketplace."""
    port = free_port()
    with Sandbox.run() as amazon:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "KONTOR_DATA": str(folder),
            "KONTOR_AMAZON_MIN_AGE": "0",
            **amazon.environment,
        }
        command = [sys.executable, "-m", "flask", "up", "--port", str(port)]
        up = spawn(command, folder=PROJECT, environment=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ready, said = threading.Event(), []

        def listen() -> None:
            assert up.stdout is not None
            for line in up.stdout:
                said.append(line.decode(errors="replace").rstrip())
                if "Kontor is ready" in said[-1]:
                    ready.set()
            ready.set()

        threading.Thread(target=listen, daemon=True).start()
        try:
            assert ready.wait(SECONDS) and up.poll() is None, "\n".join(said)
            yield Installation(f"http://127.0.0.1:{port}", amazon, folder)
        finally:
            os.kill(up.pid, signal.SIGTERM)
            up.wait(SECONDS)


# Its scheduler and workers look around every second: it ends with the last test of this folder.
@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installation of the tests here, as those before have left it."""
    with launched(tmp_path_factory.mktemp("installation")) as installation:
        yield installation


@pytest.fixture
def unused(installation: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation nobody has used yet: that of the tests here, if it is still so."""
    if not walking.is_set_up(installation.url):
        yield installation
        return
    with launched(tmp_path) as another:
        yield another


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=SECONDS * 1000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What pages complain of in the console: a test that ends with any fails."""
    return []


def listen(context: BrowserContext, complaints: list[str]) -> None:
    """Take down what the pages of a browser complain of."""
    context.on(
        "console",
        lambda message: (
            complaints.append(f"{message.page and message.page.url}: {message.text}")
            if message.type in ("error", "warning")
            else None
        ),
    )
    context.on("weberror", lambda error: complaints.append(str(error.error)))


@contextmanager
def opened(chromium: Browser, complaints: list[str], cookies: StorageState | None = None) -> Iterator[BrowserContext]:
    """A browser with these cookies."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", storage_state=cookies)
    context.set_default_timeout(SECONDS * 1000)
    listen(context, complaints)
    yield context
    context.close()
    # That a form was refused (422) is what some tests are about; Chromium calls it an error.
    assert not [complaint for complaint in complaints if "422" not in complaint]


@pytest.fixture
def cookies() -> StorageState | None:
    """Whose browser it is that opens; without, nobody has signed in."""
    return None


@pytest.fixture
def context(chromium: Browser, complaints: list[str], cookies: StorageState | None) -> Iterator[BrowserContext]:
    with opened(chromium, complaints, cookies) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
