"""The question after saving a connected platform: NO changes nothing, YES shows what differs."""

from __future__ import annotations

import pytest

from portal.extensions import db
from portal.platforms import creation
from portal.platforms.models import Platform
from tests.reading import read


@pytest.fixture
def connected(consent, come_back, id):
    """A platform of DE that its seller has agreed to; he sells in all of Europe."""
    come_back(consent())
    return id


@pytest.fixture
def save(browser, merchant, connected):
    def post(**changes):
        form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "active": "y", **changes}
        return browser.post(f"/platforms/{connected}/edit", data=form | {"credential": merchant.credential_id})

    return post


@pytest.fixture
def words(as_tenant, merchant, connected):
    def look():
        with as_tenant(merchant):
            values = creation.remote_values(db.session.get_one(Platform, connected))
            return {f"{value.kind}:{value.value}" for value in values}

    return look


def offers(browser, id):
    page = read(browser.get(f"/platforms/{id}/import").text)
    return {field.attributes["value"] for field in page.all("input", name="offer")}


def test_saving_a_connected_platform_asks_and_no_stands_first(save, browser, platform, words):
    answer = save(marketplaces="DE;FR")
    question = read(browser.get(answer.location).text).one("dialog")
    no, yes = question.all("a")
    assert (no.words, yes.words) == ("No", "Yes, show the difference")
    assert "autofocus" in no.attributes and no.attributes["href"] == answer.location.partition("?")[0]
    browser.get(no.attributes["href"])
    assert platform().marketplaces == "DE;FR" and words() == set()


def test_one_that_is_not_connected_is_not_asked(browser, id, merchant, live_server):
    form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "active": "y"}
    answer = browser.post(f"/platforms/{id}/edit", data=form | {"credential": merchant.credential_id})
    assert "import" not in answer.location
    assert read(browser.get(f"/platforms/{id}?import=ask").text).all("dialog") == []


def test_yes_shows_the_difference_and_changes_nothing(browser, connected, platform, words):
    shown = offers(browser, connected)
    assert "add:A13V1IB3VIYZZH" in shown and "add:A1PA6795UKMFR9" not in shown
    assert {"payment:Invoice", "shipping:NEXT_DAY"} <= shown
    assert platform().marketplaces == "DE" and words() == set()


def test_what_is_ticked_is_taken_over_and_nothing_else(browser, connected, platform, words, cloud):
    ticked = ["add:A13V1IB3VIYZZH", "shipping:NEXT_DAY", "shipping:SECOND_DAY"]
    assert browser.post(f"/platforms/{connected}/import", data={"offer": ticked}).status_code == 302
    assert platform().marketplaces == "DE;FR"
    assert words() == {"shipping:NEXT_DAY", "shipping:SECOND_DAY"}
    assert cloud.platform(platform().reference)["marketplaces"] == ["A1PA6795UKMFR9", "A13V1IB3VIYZZH"]
    assert not offers(browser, connected) & set(ticked)


def test_what_was_never_offered_is_not_taken_over(browser, connected, platform, words):
    for ticked in (["add:ATVPDKIKX0DER"], ["shipping:MADE_UP"], ["nonsense"], []):
        assert browser.post(f"/platforms/{connected}/import", data={"offer": ticked}).status_code == 302
    assert platform().marketplaces == "DE" and words() == set()


def test_a_marketplace_that_does_not_answer_is_said(browser, connected, amazon):
    amazon.fault("500", operation="getMarketplaceParticipations")
    try:
        page = read(browser.get(f"/platforms/{connected}/import").text)
        assert page.all("div", role="alert") and page.all("input", name="offer") == []
    finally:
        amazon.faults_off()
