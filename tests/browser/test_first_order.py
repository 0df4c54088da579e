"""The whole path as a person walks it: from an empty installation to the number confirmed at the marketplace."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import walking
from tests.browser.conftest import Installation

NUMBER = "0034 0434 1610 9400 0017"


def test_an_order_becomes_a_document_and_its_tracking_number_goes_back(
    unused: Installation, context: BrowserContext, page: Page
):
    amazon, url = unused.amazon, unused.url
    walking.set_up(page, url)

    walking.create_platform(page, url, "de, Atlantis")
    expect(page.get_by_text("Amazon has no marketplace “Atlantis”.")).to_be_visible()
    expect(page.get_by_label("Marketplaces")).to_have_value("de, Atlantis")
    expect(page.get_by_label("Name")).to_have_value("Amazon 20042")
    page.get_by_label("Marketplaces").fill("de, uk")
    walking.go(page, page.get_by_role("button", name="Save"))
    expect(page.get_by_text("Not authenticated")).to_be_visible()

    tab = walking.consent(context, page)
    expect(tab.get_by_text("Connected. Orders come in by themselves")).to_be_visible()
    tab.close()
    # The first tab notices by itself.
    expect(page.locator("#connection").get_by_text("Authenticated", exact=True)).to_be_visible()
    expect(page.locator("#connection")).not_to_have_attribute("hx-trigger", "every 2s")

    order_id = amazon.place_one("several")
    page.reload()
    page.get_by_role("button", name="Fetch now").click()
    expect(page.locator("#run")).to_contain_text("Done")
    row = page.get_by_role("row").filter(has_text=order_id)
    walking.until(page, f"{url}/documents/", row)

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("Sales order A0000001"))).to_be_visible()
    expect(page.get_by_text(order_id).first).to_be_visible()

    # A refused form keeps what was typed.
    page.get_by_label("Tracking number").fill(NUMBER)
    first_quantity = page.get_by_label(re.compile("^Pieces of")).first
    first_quantity.fill("999")
    page.get_by_role("button", name="Ship and report").click()
    expect(page.get_by_text(re.compile("999 are to be shipped"))).to_be_visible()
    expect(page.get_by_label("Tracking number")).to_have_value(NUMBER)
    expect(first_quantity).to_have_value("999")
    open_pieces = page.get_by_role("row").filter(has=first_quantity).get_by_role("cell").nth(1).inner_text()
    first_quantity.fill(open_pieces)
    page.get_by_role("button", name="Ship and report").click()

    expect(page.locator("[data-shipment-state=confirmed]")).to_be_visible()
    expect(page.locator("#path")).to_contain_text("Shipped")
    sent = amazon.confirmations(order_id)
    assert [each["tracking_number"] for each in sent] == [NUMBER.replace(" ", "")]
    assert amazon.status(order_id) == "SHIPPED"

    # Any order can be asked about.
    page.goto(f"{url}/documents/ask")
    page.get_by_label("Order number of the marketplace").fill(order_id)
    page.get_by_role("button", name="Where is it?").click()
    expect(page.get_by_text("It is a document")).to_be_visible()
