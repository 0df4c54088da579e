"""The guided set-up as a merchant follows it, in his language: from an empty tenant until orders and reports travel
by themselves.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from portal.embedded import recall
from tests.browser import walking
from tests.browser.conftest import PROJECT, Installation, listen
from tests.patience import SECONDS, wait_until

NUMBER = "00340434161094000017"
COMPANIES = {"en": "Easy Ltd", "de": "Einfach GmbH"}


class Words:
    """What a page says, in one of the languages: English is what stands in the source."""

    def __init__(self, language: str) -> None:
        folder = PROJECT / "portal" / "translations"
        self._catalogue = gettext.translation("messages", folder, [language], fallback=language == "en")

    def __call__(self, text: str, **values: str) -> str:
        said = self._catalogue.gettext(text)
        return said % values if values else said


class Database:
    """The installation's database, past its row policies: for times that are moved, and what cannot be seen."""

    def __init__(self, folder: Path) -> None:
        known = recall(folder / "servers.json")
        self._url = f"postgresql://kontor_owner:{known['kontor_owner']}@127.0.0.1:{known['postgres_port']}/kontor"

    def __call__(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def until(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows, once there are some."""
        return wait_until(lambda: self(statement, **values), statement)


@pytest.fixture
def database(installation: Installation) -> Database:
    return Database(installation.folder)


@pytest.fixture(params=COMPANIES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def newcomer(
    installation: Installation, chromium: Browser, page: Page, language: str, complaints: list[str]
) -> Iterator[Page]:
    """The administrator of a tenant that was just made, at its dashboard, in a browser that speaks his language."""
    url = installation.url
    if not walking.is_set_up(url):
        walking.set_up(page, url)
    else:
        walking.sign_in(page, url)
    link = walking.new_tenant(page, url, COMPANIES[language], f"9{language}")
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale=language)
    context.set_default_timeout(SECONDS * 1000)
    listen(context, complaints)
    merchant = context.new_page()
    merchant.goto(link)
    merchant.locator("form button[type=submit].btn-primary").click()
    merchant.goto(url)
    yield merchant
    context.close()


@pytest.mark.timeout(300)  # an installation is started, and workers are waited for
def test_a_newcomer_is_led_until_orders_and_reports_travel_by_themselves(
    installation: Installation, newcomer: Page, database: Database, language: str
):
    say, page, amazon = Words(language), newcomer, installation.amazon
    seller = amazon.add_seller(COMPANIES[language])
    assert page.locator("html").get_attribute("lang") == language
    guide = page.locator("#setup")

    def step(name: str, state: str) -> Locator:
        """The step, once its state is so."""
        found = guide.locator(f"#setup-{name}")
        expect(found.locator(".state").first).to_have_text(say(state))
        return found

    # The credential is tested, and the dashboard leads on.
    step("platform", "Later")
    step("credential", "To do").get_by_role("link").click()
    page.get_by_role("button", name=say("Test"), exact=True).click()
    expect(page.get_by_text(say("The cloud takes this credential."))).to_be_visible()
    page.get_by_role("link", name=say("Dashboard")).click()

    # A platform is named; its page goes on with the guide.
    step("credential", "Done")
    step("platform", "To do").get_by_role("link").click()
    page.get_by_label(say("Marketplaces")).fill("de")
    walking.go(page, page.get_by_role("button", name=say("Save")))
    for name in ("platform", "creation", "status"):
        step(name, "Done")
    for name in ("reference", "fetch", "download", "upload_statuses"):
        step(name, "Later")

    # It is connected: what follows is noticed without a further click.
    walking.go(page, step("connection", "To do").get_by_role("link"))
    with page.context.expect_page() as opened:
        page.get_by_role("button", name=say("Connect"), exact=True).click()
    tab = opened.value
    tab.get_by_role("radio", name=seller).check()
    tab.get_by_label("One-time password").fill(tab.locator("#sms").inner_text())
    tab.get_by_role("button", name="Confirm").click()
    came_back = "Connected. Orders come in by themselves from now on. You may close this tab."
    expect(tab.get_by_text(say(came_back))).to_be_visible()
    tab.close()
    for name in ("connection", "reference", "fetch"):
        step(name, "Done")
    usual = say("No order yet. The first orders of a new connection can take 4 to 12 hours; they come by themselves.")
    expect(page.locator("#run").get_by_text(usual)).to_be_visible()

    # The two tasks are a click each.
    ids = []
    page.get_by_role("link", name=say("Dashboard")).click()
    expect(step("fetch", "Done").get_by_text(usual)).to_be_visible()
    for name, label in (("download", "Fetch orders"), ("upload_statuses", "Upload statuses")):
        page.get_by_role("link", name=say("Dashboard")).click()
        step(name, "To do").get_by_role("button").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            say(f"{label}: %(platform)s", platform=f"Amazon 9{language}")
        )
        ids.append(int(page.url.rpartition("/")[2]))
    page.get_by_role("link", name=say("Dashboard")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Dashboard"))
    expect(guide).to_have_count(0)
    fetching, uploading = ids

    # From now on he only looks. What would be quicker than the tasks is kept away from this tenant: the cloud's
    # events are not believed, and nothing else fetches.
    of_tenant = f"tenant_id = (SELECT tenant_id FROM task WHERE id = {fetching})"
    with credential(database, of_tenant, "webhook_secret", None):
        database(f"UPDATE platform SET next_fetch_at = now() + interval '1 day' WHERE {of_tenant}")
        order_id = amazon.place_one("plain", seller=seller)
        its_reference = f"SELECT reference FROM platform WHERE {of_tenant}"
        database(f"UPDATE cloud_platform SET next_collect_at = now() WHERE reference = ({its_reference})")
        database.until("SELECT 1 FROM cloud_order WHERE order_id = %(order)s", order=order_id)
        assert database("SELECT 1 FROM document WHERE order_id = %(order)s", order=order_id) == []
        runs(database, fetching)
    assert database(f"SELECT cause, created FROM run WHERE {of_tenant} AND orders > 0") == [("action", 1)]
    page.get_by_role("link", name=say("Orders & documents")).click()
    page.get_by_role("row").filter(has_text=order_id).get_by_role("link").first.click()

    # The cloud is away as the parcel is shipped; the task reports it later.
    with credential(database, of_tenant, "address", "http://127.0.0.1:9/cloud"):
        page.get_by_label(say("Tracking number")).fill(NUMBER)
        page.get_by_role("button", name=say("Ship and report")).click()
        database.until(f"SELECT 1 FROM shipment WHERE {of_tenant} AND problem IS NOT NULL")
        database(f"UPDATE shipment SET next_check_at = now() + interval '1 day' WHERE {of_tenant}")
    assert amazon.confirmations(order_id) == []
    runs(database, uploading)
    page.reload()
    expect(page.locator("[data-shipment-state=confirmed]")).to_be_visible()
    assert [sent["tracking_number"] for sent in amazon.confirmations(order_id)] == [NUMBER]


def runs(database: Database, task: int) -> None:
    """The task's pause is over: the scheduler starts it, and it does something."""
    database("UPDATE task SET next_at = now() WHERE id = %(task)s", task=task)
    ended = "SELECT cause, processed, errors FROM task_run WHERE task_id = %(task)s AND state IN ('done', 'failed')"
    assert database.until(ended, task=task) == [("schedule", 1, 0)]


@contextmanager
def credential(database: Database, of_tenant: str, column: str, value: str | None) -> Iterator[None]:
    """The tenant's credential with something else in this column, for a while."""
    change = f"UPDATE credential SET {column} = %(value)s WHERE {of_tenant}"
    [(before,)] = database(f"SELECT {column} FROM credential WHERE {of_tenant}")
    database(change, value=value)
    yield
    database(change, value=before)
