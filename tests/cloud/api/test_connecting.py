"""Connecting: a browser goes through the marketplace's real consent page and comes back, or is told why not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
import requests
from sqlalchemy import text

from jobs.queues import WORK, Job, lost
from portal.cloud import consents
from portal.cloud.accounts import hash_of
from portal.cloud.connect import COOKIE
from portal.cloud.models import CloudEvent, Consent
from portal.cloud.outcomes import WORDS, Outcome
from portal.extensions import db
from portal.secrets import unseal
from tests.cloud.api.caller import DE, Caller, is_problem, row_of
from tests.patience import SECONDS
from tests.sandbox.client import CLIENT_SECRET, Sandbox

RETURN = "http://127.0.0.1:9/platforms/7?tab=connection&x=a%26b#top"
US = "ATVPDKIKX0DER"


@dataclass
class Browser:
    """A seller's browser, which stops at each address instead of following it."""

    amazon: Sandbox
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, url: str) -> requests.Response:
        return self.session.get(url, allow_redirects=False, timeout=SECONDS)

    def open(self, url: str) -> str:
        """Open the link of the account's page; returns the address of the marketplace's consent page."""
        answer = self.get(url)
        assert answer.status_code == 302, answer.text
        assert answer.headers["Location"].startswith(f"{self.amazon.url}/apps/authorize/consent?")
        return answer.headers["Location"]

    def consent(self, url: str, seller: str | None = None) -> str:
        """Open the link and consent; returns the callback the marketplace sends the browser to."""
        callback = self.amazon.consent(self.open(url), seller)
        assert callback is not None
        return callback


@pytest.fixture
def browser(amazon, live_server) -> Browser:
    return Browser(amazon)


@pytest.fixture
def seller(amazon) -> str:
    return amazon.add_seller("Häkelstube")


@pytest.fixture
def platform(caller) -> str:
    return caller.platform()


@pytest.fixture
def start(caller, platform) -> Callable[..., str]:
    """Ask for the link that begins a consent."""

    def start(return_url: str = RETURN) -> str:
        answer = caller.post(f"/v1/platforms/{platform}/connection", {"return_url": return_url})
        assert answer.status_code == 201, answer.text
        return answer.json["url"]

    return start


def connection(caller: Caller, reference: str) -> dict:
    answer = caller.get(f"/v1/platforms/{reference}/connection")
    assert answer.status_code == 200
    assert answer.json == caller.get(f"/v1/platforms/{reference}").json["connection"]
    return answer.json


def came_back(answer: requests.Response) -> str:
    """The code with which the browser was sent back to the account's page, and to nowhere else."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["Location"])
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("http", "127.0.0.1:9", "/platforms/7", "top")
    query = parse_qs(parts.query)
    assert (query.pop("tab"), query.pop("x")) == (["connection"], ["a&b"])
    (code,) = query.pop("connection")
    assert not query
    return code


def is_lost(answer: requests.Response) -> None:
    """A page of the cloud's own: nothing that came with this browser is to be trusted."""
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Location" not in answer.headers
    assert "lost_state" in answer.text
    assert "belongs to no attempt to connect that was begun in this browser" in answer.text


def changed(url: str, **changes: str | None) -> str:
    """The address with other values in its query; None takes one out."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | changes
    return urlunsplit(parts._replace(query=urlencode({name: v for name, v in query.items() if v is not None})))


# All goes well


def test_a_seller_consents(caller, platform, start, browser, seller):
    assert came_back(browser.get(browser.consent(start(), seller))) == "authenticated"
    told = connection(caller, platform)
    assert (told["state"], told["problem"], told["seller_id"]) == ("authenticated", None, seller)
    assert datetime.now(UTC) - datetime.fromisoformat(told["authorized_at"]) < timedelta(minutes=1)
    assert caller.get(f"/v1/platforms/{platform}").json["next_collect_at"] is not None


def test_the_permission_is_sealed_and_works(caller, platform, start, browser, amazon, seller):
    browser.get(browser.consent(start(), seller))
    with caller.rows():
        row = row_of(platform)
        token = unseal(row.refresh_token, row.token_place)
        assert token.encode() not in row.refresh_token
    order = amazon.place_one(seller=seller)
    assert caller.post(f"/v1/platforms/{platform}/orders/{order}/refetch").json["id"] == order


def test_collecting_begins_at_once(caller, platform, start, browser, seller):
    browser.get(browser.consent(start(), seller))
    with caller.rows():
        job = Job("jobs.collect.collect_orders", (caller.account_id, row_of(platform).id))
        assert lost([(job, WORK)]) == [False]


def test_the_account_is_told(caller, platform, start, browser, seller):
    caller.put("/v1/webhook", {"url": "http://127.0.0.1:9/", "secret": "0123456789abcdef"})
    browser.get(browser.consent(start(), seller))
    caller.delete(f"/v1/platforms/{platform}/connection")
    with caller.rows():
        events = db.session.scalars(db.select(CloudEvent).order_by(CloudEvent.id)).all()
        assert [(event.kind, event.body["platform"]) for event in events] == [("connection.changed", platform)] * 2


def test_the_link_says_how_long_it_works(caller, platform, live_server):
    answer = caller.post(f"/v1/platforms/{platform}/connection", {"return_url": RETURN}).json
    assert answer["url"].startswith(f"{live_server}/cloud/connect/")
    rest = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < rest <= timedelta(minutes=15)


def test_neither_link_nor_state_are_kept_in_clear(caller, start, browser):
    link = start()
    secret = link.rpartition("/")[2]
    with caller.rows():
        assert db.session.scalars(db.select(Consent.state_hash)).one() == hash_of(secret)
    state = parse_qs(urlsplit(browser.open(link)).query)["state"][0]
    with caller.rows():
        row = db.session.scalars(db.select(Consent)).one()
        assert secret not in str(vars(row)) and state not in str(vars(row))


def test_the_cookie_is_the_browsers_own(start, browser):
    answer = browser.get(start())
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/cloud/"} <= set(cookie.split("; "))


def test_the_marketplace_never_sees_the_cookie(start, browser):
    target = browser.open(start())
    (nonce,) = [cookie.value for cookie in browser.session.cookies if cookie.name == COOKIE]
    assert nonce not in target


def test_two_tabs_of_one_browser_do_not_disturb_each_other(caller, start, browser, seller):
    another = caller.platform("Another", marketplaces=[UK])
    link = caller.post(f"/v1/platforms/{another}/connection", {"return_url": RETURN}).json["url"]
    first, second = browser.consent(start(), seller), browser.consent(link, seller)
    assert came_back(browser.get(first)) == "authenticated"
    assert came_back(browser.get(second)) == "authenticated"


def test_the_seller_may_connect_again(caller, platform, start, browser, seller):
    browser.get(browser.consent(start(), seller))
    with caller.rows():
        before = row_of(platform).refresh_token
    assert came_back(browser.get(browser.consent(start(), seller))) == "authenticated"
    with caller.rows():
        assert row_of(platform).refresh_token != before


def test_disconnecting_forgets_the_permission_and_keeps_the_seller(caller, platform, start, browser, seller):
    browser.get(browser.consent(start(), seller))
    answer = caller.delete(f"/v1/platforms/{platform}/connection")
    assert (answer.status_code, answer.data) == (204, b"")
    assert connection(caller, platform) == {
        "state": "not_authenticated",
        "problem": None,
        "problem_source": None,
        "seller_id": seller,
        "authorized_at": None,
    }
    with caller.rows():
        row = row_of(platform)
        assert (row.refresh_token, row.next_collect_at) == (None, None)
    assert came_back(browser.get(browser.consent(start(), seller))) == "authenticated"


# The seller, the marketplace, time: each says no in its own way


def test_the_seller_refuses_at_the_marketplace(caller, platform, start, browser, amazon):
    assert amazon.consent(browser.open(start()), refuse=True) is None  # the marketplace sends nobody back
    assert connection(caller, platform)["state"] == "not_authenticated"


def test_a_refusal_that_is_told_comes_back_in_words(caller, platform, start, browser, seller):
    callback = browser.consent(start(), seller)
    refused = changed(callback, spapi_oauth_code=None, error="access_denied")
    assert came_back(browser.get(refused)) == "refused"
    told = connection(caller, platform)
    assert (told["state"], told["problem"]) == ("not_authenticated", str(WORDS[Outcome.REFUSED].happened))


def test_a_code_that_expired(caller, platform, start, browser, amazon, seller):
    callback = browser.consent(start(), seller)
    amazon.set(code_seconds=0)
    assert came_back(browser.get(callback)) == "code_refused"
    told = connection(caller, platform)
    assert (told["state"], told["problem"]) == ("not_authenticated", str(WORDS[Outcome.CODE_REFUSED].happened))


def test_a_code_that_was_tampered_with(caller, platform, start, browser, seller):
    callback = changed(browser.consent(start(), seller), spapi_oauth_code="ANmadeup")
    assert came_back(browser.get(callback)) == "code_refused"
    assert connection(caller, platform)["state"] == "not_authenticated"


@pytest.mark.parametrize("missing", ["spapi_oauth_code", "selling_partner_id"])
def test_a_callback_without_a_code(start, browser, seller, missing):
    callback = changed(browser.consent(start(), seller), **{missing: None})
    assert came_back(browser.get(callback)) == "code_refused"


@pytest.mark.parametrize("name", ["spapi_oauth_code", "selling_partner_id"])
def test_a_callback_with_nul(start, browser, seller, name):
    callback = changed(browser.consent(start(), seller), **{name: "a\0b"})
    assert came_back(browser.get(callback)) == "code_refused"


def test_a_problem_goes_when_connecting_works_at_last(caller, platform, start, browser, seller):
    browser.get(changed(browser.consent(start(), seller), spapi_oauth_code="ANmadeup"))
    assert connection(caller, platform)["problem"]
    browser.get(browser.consent(start(), seller))
    assert connection(caller, platform)["problem"] is None


def test_a_callback_used_before(caller, platform, start, browser, seller):
    callback = browser.consent(start(), seller)
    assert came_back(browser.get(callback)) == "authenticated"
    before = connection(caller, platform)
    assert came_back(browser.get(callback)) == "replayed"
    assert connection(caller, platform) == before


def test_a_failed_callback_is_used_all_the_same(start, browser, amazon, seller):
    callback = browser.consent(start(), seller)
    amazon.fault("503", "token", times=1)
    assert came_back(browser.get(callback)) == "unavailable"
    assert came_back(browser.get(callback)) == "replayed"


def test_a_callback_that_broke_something_is_used_all_the_same(app, start, browser, seller, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError

    callback = browser.consent(start(), seller)
    with monkeypatch.context() as broke:
        broke.setattr(consents, "_exchange", broken)
        broke.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
        assert browser.get(callback).status_code == 500
    assert came_back(browser.get(callback)) == "replayed"


def test_of_two_callbacks_at_once_one_is_used(start, browser, seller):
    callback = browser.consent(start(), seller)
    cookies = browser.session.cookies.get_dict()
    codes = []

    def call() -> None:
        codes.append(came_back(requests.get(callback, cookies=cookies, allow_redirects=False, timeout=SECONDS)))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["authenticated", "replayed", "replayed", "replayed"]


UK = "A1F83G8C2ARO7P"


def connect(caller: Caller, browser: Browser, reference: str, seller: str) -> str:
    answer = caller.post(f"/v1/platforms/{reference}/connection", {"return_url": RETURN})
    return came_back(browser.get(browser.consent(answer.json["url"], seller)))


def test_one_seller_s_orders_of_a_marketplace_come_by_one_platform(caller, make_caller, platform, browser, seller):
    assert connect(caller, browser, platform, seller) == "authenticated"
    second = caller.platform("Second", marketplaces=[UK, DE])
    assert connect(caller, browser, second, seller) == "already_connected"
    told = connection(caller, second)
    assert (told["state"], told["problem"]) == (
        "not_authenticated",
        str(WORDS[Outcome.ALREADY_CONNECTED].happened),
    )
    # With marketplaces of its own it may, and they cannot be made to meet later either.
    assert caller.patch(f"/v1/platforms/{second}", {"marketplaces": [UK]}).status_code == 200
    assert connect(caller, browser, second, seller) == "authenticated"
    for reference, wanted, other in ((second, [UK, DE], "Amazon Deutschland"), (platform, [DE, UK], "Second")):
        refused = caller.patch(f"/v1/platforms/{reference}", {"marketplaces": wanted})
        is_problem(refused, 422, "marketplaces")
        assert f"The platform “{other}” collects this seller's orders of" in refused.json["errors"]["marketplaces"]
    # What is disconnected stands in nobody's way, nor does another account.
    caller.delete(f"/v1/platforms/{platform}/connection")
    assert caller.patch(f"/v1/platforms/{second}", {"marketplaces": [UK, DE]}).status_code == 200
    assert connect(caller, browser, platform, seller) == "already_connected"
    another = make_caller("Another")
    assert connect(another, browser, another.platform(), seller) == "authenticated"


def test_a_seller_who_connects_two_platforms_at_once_connects_one(caller, browser, seller):
    callbacks, codes = [], []
    for name in ("First", "Second"):
        link = caller.post(f"/v1/platforms/{caller.platform(name)}/connection", {"return_url": RETURN}).json["url"]
        callbacks.append(browser.consent(link, seller))
    cookies, together = browser.session.cookies.get_dict(), threading.Barrier(2, timeout=SECONDS)

    def call(callback: str) -> None:
        together.wait()
        codes.append(came_back(requests.get(callback, cookies=cookies, allow_redirects=False, timeout=SECONDS)))

    threads = [threading.Thread(target=call, args=(callback,)) for callback in callbacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["already_connected", "authenticated"]


def test_a_consent_holds_for_one_region(caller, platform, browser, seller):
    connect(caller, browser, platform, seller)
    refused = caller.patch(f"/v1/platforms/{platform}", {"marketplaces": [US]})
    is_problem(refused, 422, "marketplaces")
    assert "another of Amazon's regions than US" in refused.json["errors"]["marketplaces"]
    assert caller.get(f"/v1/platforms/{platform}").json["marketplaces"] == [DE]


def test_reports_that_waited_for_the_connection_go_on_with_it(caller, platform, browser, seller):
    connect(caller, browser, platform, seller)
    caller.delete(f"/v1/platforms/{platform}/connection")
    with caller.rows():
        db.session.execute(
            text(
                "INSERT INTO cloud_status_message (account_id, platform_id, key, order_id, body, state, next_try_at) "
                "SELECT account_id, id, m.key, 'o', '{}', m.state, m.due FROM cloud_platform, (VALUES "
                "('waits', 'queued', now() + interval '1 hour'), ('given up', 'sent', NULL)) AS m(key, state, due) "
                "WHERE reference = :reference"
            ),
            {"reference": platform},
        )
    connect(caller, browser, platform, seller)
    with caller.rows():
        due = text("SELECT key, next_try_at <= now() FROM cloud_status_message ORDER BY id")
        assert [tuple(row) for row in db.session.execute(due)] == [("waits", True), ("given up", None)]


def test_another_seller_on_reconnect(caller, platform, start, browser, amazon, seller):
    browser.get(browser.consent(start(), seller))
    before = connection(caller, platform)
    with caller.rows():
        token = row_of(platform).refresh_token
    assert came_back(browser.get(browser.consent(start(), amazon.add_seller("Fremde")))) == "foreign_seller"
    assert connection(caller, platform) == before
    with caller.rows():
        assert row_of(platform).refresh_token == token


def test_another_seller_after_disconnecting(caller, platform, start, browser, amazon, seller):
    browser.get(browser.consent(start(), seller))
    caller.delete(f"/v1/platforms/{platform}/connection")
    assert came_back(browser.get(browser.consent(start(), amazon.add_seller("Fremde")))) == "foreign_seller"
    told = connection(caller, platform)
    assert (told["state"], told["problem"]) == ("not_authenticated", str(WORDS[Outcome.FOREIGN_SELLER].happened))


def test_a_failed_reconnect_leaves_the_connection_as_it_was(caller, platform, start, browser, seller):
    browser.get(browser.consent(start(), seller))
    before = connection(caller, platform)
    callback = changed(browser.consent(start(), seller), spapi_oauth_code="ANmadeup")
    assert came_back(browser.get(callback)) == "code_refused"
    assert connection(caller, platform) == before


def test_a_seller_who_took_too_long(caller, platform, start, browser, seller):
    callback = browser.consent(start(), seller)
    too_late(caller)
    assert came_back(browser.get(callback)) == "expired"
    assert connection(caller, platform)["state"] == "not_authenticated"


def test_a_link_opened_too_late(caller, start, browser):
    link = start()
    too_late(caller)
    assert came_back(browser.get(link)) == "expired"


def test_what_expired_long_ago_is_swept_out(caller, start):
    start()
    too_late(caller, days=3)
    start()
    with caller.rows():
        assert len(db.session.scalars(db.select(Consent)).all()) == 1


@pytest.mark.parametrize("fault", ["500", "503", "429", "reset_after", "malformed"])
def test_the_marketplace_does_not_answer(caller, platform, start, browser, amazon, seller, fault):
    callback = browser.consent(start(), seller)
    amazon.fault(fault, "token")
    assert came_back(browser.get(callback)) == "unavailable"
    told = connection(caller, platform)
    assert (told["state"], told["problem"]) == ("not_authenticated", str(WORDS[Outcome.UNAVAILABLE].happened))


def test_the_marketplace_refuses_this_installation(start, browser, amazon, seller):
    callback = browser.consent(start(), seller)
    amazon.set(client_secrets=["another"])
    try:
        assert came_back(browser.get(callback)) == "unavailable"
    finally:
        amazon.set(client_secrets=[CLIENT_SECRET])


# Nobody knows whose it is


def test_another_browser(caller, platform, start, browser, amazon, seller):
    """Somebody was sent the callback of an attempt that is not theirs."""
    callback = browser.consent(start(), seller)
    is_lost(Browser(amazon).get(callback))
    assert connection(caller, platform)["state"] == "not_authenticated"
    assert came_back(browser.get(callback)) == "authenticated"


def test_another_browser_with_an_attempt_of_its_own(caller, start, browser, amazon, seller):
    callback = browser.consent(start(), seller)
    foreign = Browser(amazon)
    foreign.open(start())
    is_lost(foreign.get(callback))


@pytest.mark.parametrize("nonce", ["", "x" * 43, "a b", "x" * 4000])
def test_a_cookie_that_is_none_of_ours(start, browser, seller, nonce):
    callback = browser.consent(start(), seller)
    is_lost(requests.get(callback, cookies={COOKIE: nonce}, allow_redirects=False, timeout=SECONDS))


@pytest.mark.parametrize("state", [None, "", "unknown", "x" * 3000, "a\0b", "ä"])
def test_a_state_nobody_knows(start, browser, seller, state):
    is_lost(browser.get(changed(browser.consent(start(), seller), state=state)))


def test_the_link_is_no_state(start, browser, amazon, seller):
    link = start()
    callback = browser.consent(link, seller)
    is_lost(browser.get(changed(callback, state=link.rpartition("/")[2])))


def test_a_marketplace_there_is_not(start, browser, seller):
    is_lost(browser.get(browser.consent(start(), seller).replace("/callback/amazon", "/callback/ebay")))


@pytest.mark.parametrize("link", ["unknown", "x" * 3000, "%00", "%FF", "a%2Fb"])
def test_a_link_nobody_knows(live_server, link):
    answer = requests.get(f"{live_server}/cloud/connect/{link}", allow_redirects=False, timeout=SECONDS)
    assert answer.status_code in (400, 404)
    assert "Location" not in answer.headers


def test_a_link_works_once(start, browser, amazon):
    link = start()
    browser.open(link)
    is_lost(browser.get(link))
    is_lost(Browser(amazon).get(link))


def test_a_scanner_that_only_looks_does_not_use_up_the_link(start, browser):
    link = start()
    assert browser.session.head(link, timeout=SECONDS).status_code == 200
    browser.open(link)


def test_a_platform_removed_meanwhile(caller, platform, start, browser, seller):
    callback = browser.consent(start(), seller)
    caller.delete(f"/v1/platforms/{platform}")
    is_lost(browser.get(callback))


def test_the_page_speaks_the_browsers_language_and_names_itself(live_server):
    answer = requests.get(f"{live_server}/cloud/callback/amazon", headers={"Accept-Language": "en"}, timeout=SECONDS)
    is_lost(answer)
    assert '<html lang="en">' in answer.text


# Beginning


def test_marketplaces_of_two_regions_cannot_be_connected_at_once(caller):
    reference = caller.platform(marketplaces=[DE, US])
    problem = is_problem(caller.post(f"/v1/platforms/{reference}/connection", {"return_url": RETURN}), 409)
    assert "region" in problem["detail"].lower()


def test_a_platform_changed_to_two_regions_meanwhile(caller, platform, start, browser):
    link = start()
    caller.patch(f"/v1/platforms/{platform}", {"marketplaces": [DE, US]})
    answer = browser.get(link)
    assert (answer.status_code, "Location" in answer.headers) == (409, False)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example/", "/platforms", "http://a@b/", "http://a/\0", ""]
)
def test_a_return_address_must_be_http(caller, platform, url):
    is_problem(caller.post(f"/v1/platforms/{platform}/connection", {"return_url": url}), 422, "return_url")


def too_late(caller: Caller, days: int = 0) -> None:
    with caller.rows():
        for consent in db.session.scalars(db.select(Consent)):
            consent.expires_at = datetime.now(UTC) - timedelta(days=days, seconds=1)
