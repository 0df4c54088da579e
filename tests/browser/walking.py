"""What people do on the pages, as one line each."""

from __future__ import annotations

import json
from urllib.request import urlopen

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.patience import wait_until

EMAIL, PASSWORD = "olga@example.com", "correct horse battery"


def set_up(page: Page, url: str) -> None:
    """The first run: the first tenant and its administrator."""
    page.goto(url)
    expect(page.get_by_role("heading", name="Set up Kontor")).to_be_visible()
    page.get_by_label("Company").fill("Beispiel & Töchter GmbH")
    page.get_by_label("Customer number").fill("20042")
    page.get_by_label("Your name").fill("Olga Owner")
    page.get_by_label("Your e-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("Client secret", exact=True)).to_be_visible()


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def go(page: Page, to: Locator) -> None:
    """Click what leads to another page, up to where that one's scripts have run: what follows is theirs to notice."""
    with page.expect_navigation():
        to.click()


def new_tenant(page: Page, url: str, company: str, number: str) -> str:
    """Another tenant, made by the operator who is signed in; its administrator's sign-in link."""
    page.goto(f"{url}/settings/tenants/new")
    page.get_by_label("Company").fill(company)
    page.get_by_label("Customer number").fill(number)
    page.get_by_label("Administrator’s name").fill("Nina Neu")
    page.get_by_label("Administrator’s e-mail address").fill(f"nina-{number}@example.com")
    page.get_by_role("button", name="Create").click()
    return page.locator(".secret", has_text="/sign-in/").inner_text()


def is_set_up(url: str) -> bool:
    with urlopen(f"{url}/sign-in") as answer:
        return "/first-run" not in answer.url


def create_platform(page: Page, url: str, marketplaces: str) -> None:
    """A platform under the suggested name, up to its page."""
    page.goto(f"{url}/platforms/")
    page.get_by_role("link", name="New platform").first.click()
    page.get_by_label("Marketplaces").fill(marketplaces)
    go(page, page.get_by_role("button", name="Save"))


def consent(context: BrowserContext, page: Page) -> Page:
    """CONNECT, and agree at the marketplace in the tab that opens; returns that tab, back at the portal."""
    with context.expect_page() as opened:
        page.get_by_role("button", name="Connect", exact=True).click()
    tab = opened.value
    expect(tab.get_by_role("heading", name="Authorize Kontor")).to_be_visible()
    tab.get_by_label("One-time password").fill(tab.locator("#sms").inner_text())
    tab.get_by_role("button", name="Confirm").click()
    return tab


def preview_lines(page: Page, address: str, lines: str) -> None:
    """Paste lines of a file, up to what they would do."""
    page.goto(f"{address}/import")
    page.get_by_label("Or its lines, pasted here").fill(lines)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("link", name="Another file")).to_be_visible()


def until(page: Page, url: str, wanted: Locator) -> None:
    """Load the page again until this is on it."""

    def look() -> bool:
        page.wait_for_timeout(300)
        page.reload()
        return wanted.is_visible()

    page.goto(url)
    if not wanted.is_visible():
        wait_until(look, f"{url} never shows {wanted}.")


def describe(violations: list[dict]) -> str:
    """axe's findings, short enough to read."""
    return "\n".join(
        f"{found['id']} ({found['impact']}): " + json.dumps([node["html"][:160] for node in found["nodes"][:3]])
        for found in violations
    )
