"""CONNECT, REFRESH, DISCONNECT: through the real cloud to the sandbox's consent page and back."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from sqlalchemy import text

from portal.credentials.cloud import Cloud
from portal.credentials.models import Credential
from portal.extensions import db
from portal.platforms import service
from portal.platforms.models import Connection, Platform
from portal.platforms.views import RETURNS
from tests.reading import read


def changed(url, **changes):
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | changes
    return urlunsplit(parts._replace(query=urlencode({name: v for name, v in query.items() if v is not None})))


def card(page):
    return page.one("div", id="connection")


def test_a_seller_agrees(consent, come_back, platform, seller, browser, id):
    assert platform().reference is None
    code, page = come_back(consent())
    assert code == "authenticated"
    assert str(RETURNS["authenticated"]) in page.words
    row = platform()
    assert (row.connection, row.seller_id, row.connection_problem) == (Connection.AUTHENTICATED, seller, None)
    assert row.reference and row.authorized_at and row.next_fetch_at
    assert card(page).grid["Seller"] == seller
    assert "hx-trigger" not in card(page).attributes
    assert page.grid["Platform reference"].startswith(row.reference)


def test_marketplaces_that_the_consent_is_not_for_are_refused_at_their_field(consent, come_back, platform, browser, id):
    come_back(consent())
    typed = read(browser.get(f"/platforms/{id}/edit").text).fields | {"marketplaces": "US"}
    refused = browser.post(f"/platforms/{id}/edit", data=typed)
    page = read(refused.text)
    assert refused.status_code == 422
    assert (
        "another of Amazon's regions than US" in page.error_of("marketplaces") and page.fields["marketplaces"] == "US"
    )
    assert platform().marketplaces != "US"


def test_connecting_tells_the_cloud_where_events_go(consent, cloud, merchant, live_server, app):
    consent()
    from portal.scope import account

    with app.app_context(), account(merchant.account_id):
        url = db.session.scalar(text("SELECT webhook_url FROM cloud_account"))
    assert url == f"{live_server}/events/cloud/{merchant.credential_id}"


def test_while_the_tab_is_open_the_page_looks_by_itself(consent, come_back, browser, id):
    assert "hx-trigger" not in card(read(browser.get(f"/platforms/{id}").text)).attributes
    callback = consent()
    page = read(browser.get(f"/platforms/{id}").text)
    assert card(page).attributes["hx-trigger"] == "every 2s"
    assert "open in another tab" in card(page).words
    come_back(callback)
    fragment = read(browser.get(f"/platforms/{id}/connection", headers={"HX-Request": "true"}).text)
    assert "hx-trigger" not in fragment.one("div", id="connection").attributes
    assert not fragment.all("html")


def refuse(callback, amazon):
    return changed(callback, spapi_oauth_code=None, error="access_denied")


def forge(callback, amazon):
    return changed(callback, spapi_oauth_code="ANmadeup")


def break_down(callback, amazon):
    amazon.fault("503", "token", times=1)
    return callback


@pytest.mark.parametrize(
    ("happens", "code"), [(refuse, "refused"), (forge, "code_refused"), (break_down, "unavailable")]
)
def test_what_went_wrong_is_said_and_nothing_is_connected(consent, come_back, platform, amazon, happens, code):
    returned, page = come_back(happens(consent(), amazon))
    assert returned == code
    assert str(RETURNS[code]) in page.words
    assert (platform().connection, platform().seller_id) == (Connection.NOT_AUTHENTICATED, None)
    assert "hx-trigger" not in card(page).attributes
    assert "Connect" in [button.words for button in card(page).all("button")]


def test_an_answer_used_before(consent, come_back, platform, seller):
    callback = consent()
    come_back(callback)
    code, page = come_back(callback)
    assert code == "replayed"
    assert str(RETURNS["replayed"]) in page.words
    assert platform().seller_id == seller


def test_an_answer_that_came_too_late(consent, come_back, platform, merchant, app):
    from portal.scope import account

    callback = consent()
    with app.app_context(), account(merchant.account_id):
        db.session.execute(text("UPDATE cloud_consent SET expires_at = now() - interval '1 second'"))
        db.session.commit()
    code, page = come_back(callback)
    assert code == "expired"
    assert str(RETURNS["expired"]) in page.words
    assert platform().connection == Connection.NOT_AUTHENTICATED


def test_another_seller_is_refused_the_first_stays(consent, come_back, platform, amazon, seller):
    come_back(consent())
    code, page = come_back(consent(amazon.add_seller("Andere")))
    assert code == "foreign_seller"
    assert str(RETURNS["foreign_seller"]) in page.words
    assert (platform().connection, platform().seller_id) == (Connection.AUTHENTICATED, seller)


@pytest.mark.parametrize("code", ["authenticated", "nonsense", "", "<b>", "a\0b"])
def test_an_address_anybody_can_write_claims_nothing(browser, id, code):
    page = browser.get(f"/platforms/{id}", query_string={"connection": code})
    assert page.status_code == 200
    assert "Connected." not in read(page.text).words
    assert "<b>" not in page.text


def test_refresh_finds_what_happened_in_the_cloud(consent, come_back, platform, browser, id, cloud, seller):
    come_back(consent())
    cloud.disconnect(platform().reference)
    assert platform().connection == Connection.AUTHENTICATED
    page = read(browser.get(f"/platforms/{id}/connection").text)  # without scripts: the whole page
    assert page.all("html")
    assert platform().connection == Connection.NOT_AUTHENTICATED
    assert "Connect" in [button.words for button in card(page).all("button")]


def test_refresh_shows_a_permission_that_was_withdrawn(consent, come_back, platform, browser, id, merchant, app):
    from portal.scope import account

    come_back(consent())
    with app.app_context(), account(merchant.account_id):
        problem = "The seller has withdrawn the permission."
        db.session.execute(
            text("UPDATE cloud_platform SET connection = 'revoked', connection_problem = :why"), {"why": problem}
        )
        db.session.commit()
    fragment = read(browser.get(f"/platforms/{id}/connection", headers={"HX-Request": "true"}).text)
    assert problem in fragment.words
    assert platform().connection == Connection.REVOKED


def test_a_cloud_that_does_not_answer_leaves_the_last_known_state(consent, come_back, browser, id, as_tenant, merchant):
    come_back(consent())
    with as_tenant(merchant):
        db.session.get_one(Credential, merchant.credential_id).address = "http://127.0.0.1:9/cloud"
        db.session.commit()
    answer = browser.get(f"/platforms/{id}/connection")
    assert answer.status_code == 200
    assert "Nothing answers at 127.0.0.1" in card(read(answer.text)).words
    assert "Seller" in card(read(answer.text)).words
    answer = browser.post(f"/platforms/{id}/connection")
    assert answer.status_code == 503
    assert "Nothing answers at 127.0.0.1" in read(answer.text).words
    assert browser.post(f"/platforms/{id}/disconnection", data={"name": "Amazon 1"}).status_code == 503


def test_a_secret_that_is_wrong_is_said_and_the_platform_stays(browser, id, as_tenant, merchant, platform):
    with as_tenant(merchant):
        db.session.get_one(Credential, merchant.credential_id).client_id = "nobody"
        db.session.commit()
    answer = browser.post(f"/platforms/{id}/connection")
    assert answer.status_code == 422
    assert "no client with this id" in read(answer.text).words
    assert platform().reference is None


def test_the_reference_is_asked_for_once(browser, id, platform, cloud):
    browser.post(f"/platforms/{id}/connection")
    first = platform().reference
    browser.post(f"/platforms/{id}/connection")
    assert platform().reference == first
    assert len(cloud.platforms()) == 1


def test_a_reference_whose_answer_was_lost_is_found_again(browser, id, platform, cloud):
    made = cloud.create_platform("amazon", "AMAZON  1", ["A13V1IB3VIYZZH"], True)
    assert browser.post(f"/platforms/{id}/connection").status_code == 302
    assert platform().reference == made["reference"]
    assert cloud.platform(made["reference"])["marketplaces"] == ["A1PA6795UKMFR9"]


def test_a_name_another_system_has_connected_is_not_taken_over(
    consent, come_back, browser, id, platform, cloud, as_tenant, merchant
):
    """Two portals on one platform would share its orders out."""
    come_back(consent())
    theirs = platform().reference
    with as_tenant(merchant):
        row = db.session.get_one(Platform, id)
        row.reference, row.connection, row.seller_id = None, Connection.NOT_AUTHENTICATED, None
        db.session.commit()
    answer = browser.post(f"/platforms/{id}/connection")
    assert answer.status_code == 422
    assert "The cloud account has another platform called" in read(answer.text).error_of("name")
    assert platform().reference is None
    assert cloud.platform(theirs)["connection"]["state"] == "authenticated"


def test_a_platform_removed_in_the_cloud_is_registered_anew(browser, id, platform, cloud, as_tenant, merchant):
    browser.post(f"/platforms/{id}/connection")
    gone = platform().reference
    cloud._call("DELETE", f"/platforms/{gone}")
    assert browser.post(f"/platforms/{id}/connection").status_code == 302
    assert platform().reference not in (None, gone)


def test_a_reference_of_another_account_connects_nothing(
    browser, id, platform, cloud, as_tenant, merchant, make_tenant
):
    """However it came here: the cloud answers as to one that never was, and the platform gets one of its own."""
    other = make_tenant("Fremde GmbH")
    with as_tenant(other):
        foreign = Cloud.of(db.session.get_one(Credential, other.credential_id)).create_platform(
            "amazon", "Fremd", ["A1PA6795UKMFR9"], True
        )["reference"]
    with as_tenant(merchant):
        db.session.get_one(Platform, id).reference = foreign
        db.session.commit()
    page = read(browser.get(f"/platforms/{id}/connection").text)
    assert "no platform with this reference" in card(page).words
    assert browser.post(f"/platforms/{id}/connection").status_code == 302
    assert platform().reference not in (None, foreign)


# Disconnecting


def test_disconnecting_is_confirmed_by_the_name(consent, come_back, platform, browser, id, seller, cloud):
    come_back(consent())
    assert "Type “Amazon 1” to confirm." in read(browser.get(f"/platforms/{id}/disconnection").text).words
    for typed in ("", "Amazon", "Amazon 2", "\0"):
        answer = browser.post(f"/platforms/{id}/disconnection", data={"name": typed})
        assert answer.status_code == 422
        assert read(answer.text).error_of("name")
        assert cloud.platform(platform().reference)["connection"]["state"] == "authenticated"
    answer = browser.post(f"/platforms/{id}/disconnection", data={"name": " amazon  1 "})
    assert answer.headers["Location"] == f"/platforms/{id}"
    assert platform().connection == Connection.NOT_AUTHENTICATED
    assert cloud.platform(platform().reference)["connection"]["state"] == "not_authenticated"
    assert "The platform is disconnected." in read(browser.get(f"/platforms/{id}").text).words


def test_fetching_needs_a_connection(browser, id, platform):
    answer = browser.post(f"/platforms/{id}/fetches")
    assert answer.status_code == 422
    assert "The platform is not connected." in read(answer.text).words


def test_fetch_now_starts_one_run(consent, come_back, browser, id):
    come_back(consent())
    first = browser.post(f"/platforms/{id}/fetches", headers={"HX-Request": "true"})
    assert first.status_code == 200
    assert read(first.text).all("div", id="run")
    assert browser.post(f"/platforms/{id}/fetches").headers["Location"] == f"/platforms/{id}"
    assert len(read(browser.get("/jobs/").text).rows) == 1


def test_a_platform_that_is_switched_off_fetches_nothing(consent, come_back, browser, id, merchant):
    come_back(consent())
    form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "credential": merchant.credential_id}
    browser.post(f"/platforms/{id}/edit", data=form)
    answer = browser.post(f"/platforms/{id}/fetches")
    assert answer.status_code == 422
    assert "The platform is switched off." in read(answer.text).words


def test_the_same_name_means_the_same_here_and_in_the_cloud():
    from portal.cloud.platforms import name_key

    for name in ("Amazon 1", " AMAZON  1", "Straße", "Ａｍａｚｏｎ １", "ﬁn", "İ", "a\u00a0b\u3000c", "①"):
        assert service.name_key(name) == name_key(name)
