"""The client of the cloud's API, against a real cloud and against servers that are none."""

from __future__ import annotations

import gzip
import json
import secrets
from datetime import UTC, datetime
from threading import Thread

import pytest

from portal import answers
from portal import secrets as seals
from portal.credentials import cloud as clouds
from portal.credentials import tokens, transport
from portal.credentials.cloud import Cloud
from portal.errors import Refused, Unavailable
from portal.extensions import redis
from tests.credentials.conftest import Reply
from tests.patience import wait_until
from tests.ports import free_port

DE = ["A1PA6795UKMFR9"]


@pytest.fixture
def cloud_at(app):
    """`cloud_at(address)`: a client of whatever answers there. The app context stays for the test."""

    def make(address, client_id="kontor-1", secret="a secret"):
        place = f"credential/0/{secrets.token_hex(4)}/client_secret"
        return Cloud(address, client_id, seals.seal(secret, place), place)

    with app.app_context():
        yield make


@pytest.fixture
def cloud(cloud_at, live_server, make_tenant):
    merchant = make_tenant()
    return cloud_at(live_server + "/cloud", merchant.client_id, merchant.client_secret)


def test_a_good_credential_tells_its_account(cloud):
    assert cloud.test() == {"name": "Beispiel GmbH", "client_id": cloud.client.client_id}


def test_an_unknown_client_is_told_from_a_wrong_secret(cloud_at, live_server, make_tenant):
    merchant = make_tenant()
    with pytest.raises(clouds.UnknownClient, match="no client with this id"):
        cloud_at(live_server + "/cloud", "kontor-nobody", merchant.client_secret).test()
    with pytest.raises(clouds.WrongSecret, match="knows the client id"):
        cloud_at(live_server + "/cloud", merchant.client_id, "Größe 漢字").test()


def test_a_closed_port_and_an_unknown_host_are_not_reachable(cloud_at):
    with pytest.raises(clouds.NotReachable, match=r"Nothing answers at 127\.0\.0\.1"):
        cloud_at(f"http://127.0.0.1:{free_port()}").test()
    with pytest.raises(clouds.NotReachable, match=r"no host nowhere\.invalid"):
        cloud_at("http://nowhere.invalid/cloud").test()


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(cloud_at, serve, self_signed):
    reply = Reply(certificate=self_signed)
    with pytest.raises(clouds.CertificateRefused, match="self-signed certificate"):
        cloud_at(serve(reply)).test()
    assert reply.seen == []


def test_https_to_a_plain_server_names_the_port(cloud_at, serve):
    address = serve(Reply()).replace("http://", "https://")
    with pytest.raises(clouds.CertificateRefused, match="does not answer in https"):
        cloud_at(address).test()


def test_a_server_that_takes_too_long_is_a_time_out(cloud_at, serve, monkeypatch):
    monkeypatch.setattr(transport, "TIMEOUT", (1, 0.1))
    with pytest.raises(clouds.TimedOut, match="did not answer in time"):
        cloud_at(serve(Reply(seconds=0.4))).test()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{" + b" " * 200 + b"}", {}),
        (b"0" * 200, {"Transfer-Encoding": "chunked"}),  # the length of a chunk
        (b"0\r\n" + b"X: y\r\n" * 40, {"Transfer-Encoding": "chunked"}),  # what follows the last
        (gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 40, {"Content-Encoding": "gzip"}),  # blocks with nothing in
    ],
    ids=["body", "chunk", "trailers", "empty blocks"],
)
def test_an_answer_that_trickles_in_without_end_is_a_time_out(cloud_at, serve, monkeypatch, body, headers):
    """Each piece of it comes in time; a thread of the web server must not be held for ever."""
    monkeypatch.setattr(answers, "BODY_SECONDS", 0.2)
    reply = Reply(200, body, headers, trickles=True)
    with pytest.raises(clouds.TimedOut, match="did not answer in time"):
        cloud_at(serve(reply)).test()


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_head_that_trickles_in_without_end_is_one_too_and_not_asked_for_again(
    app, cloud_at, serve, monkeypatch, self_signed, encrypted
):
    monkeypatch.setattr(answers, "HEAD_SECONDS", 1)
    monkeypatch.setitem(app.config, "CERTIFICATES", str(self_signed))
    reply = Reply(200, b"{}", head_trickles=True, certificate=self_signed if encrypted else None)
    with pytest.raises(clouds.TimedOut, match="did not answer in time"):
        cloud_at(serve(reply)).test()
    wait_until(lambda: reply.seen)
    assert len(reply.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
        Reply(200, b'{"hello": "world"}'),
        Reply(200, b'["access_token"]'),
        Reply(404, b"Not Found"),
        Reply(404, b'{"title": "Not found", "status": 404}'),
        Reply(200, b'{"access_token": "x", "expires_in": "soon"}'),
        Reply(200, b""),
        Reply(204),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:20]!r}",
)
def test_what_no_cloud_would_say_is_not_a_cloud(cloud_at, serve, reply):
    with pytest.raises(clouds.NotACloud, match="not a Kontor cloud"):
        cloud_at(serve(reply)).test()


def test_another_systems_token_endpoint_is_not_a_cloud(cloud_at, serve):
    answer = json.dumps({"access_token": "x", "token_type": "bearer", "expires_in": 3600}).encode()
    with pytest.raises(clouds.NotACloud):
        cloud_at(serve(Reply(200, answer))).test()  # its account has neither name nor client id


def test_a_portal_without_the_path_is_not_a_cloud(cloud_at, live_server):
    with pytest.raises(clouds.NotACloud, match="usually ends in /cloud"):
        cloud_at(live_server).test()


def test_a_redirect_is_not_followed(cloud_at, serve):
    elsewhere = Reply(200)
    target = serve(elsewhere)
    with pytest.raises(clouds.NotACloud, match="refers to another address"):
        cloud_at(serve(Reply(307, headers={"Location": target + "/oauth/token"}))).test()
    assert elsewhere.seen == []


def test_an_endless_answer_is_cut_off(cloud_at, serve, monkeypatch):
    monkeypatch.setattr(answers, "MOST_BYTES", 1000)
    with pytest.raises(clouds.NotACloud, match="more than a Kontor cloud"):
        cloud_at(serve(Reply(200, b"x" * 5000))).test()


def test_an_answer_that_breaks_off_may_be_asked_for_again(cloud_at, serve):
    with pytest.raises(Unavailable):
        cloud_at(serve(Reply(200, b"{", {"Content-Length": "500"}))).test()


def test_a_busy_cloud_says_when_to_come_again(cloud_at, serve):
    with pytest.raises(Unavailable) as busy:
        cloud_at(serve(Reply(429, b"{}", {"Retry-After": "7"}))).test()
    assert busy.value.retry_after == 7


@pytest.mark.parametrize(
    "typed",
    ["", "cloud.example.com", "ftp://x/cloud", "http://", "https://a b/", "http://user:pw@host/", "http://h/?a=1",
     "http://h/#x", "http://h:99999/", "http://[::1/", "javascript:alert(1)", "http://h\\@evil/"],
)  # fmt: skip
def test_what_is_no_http_address_is_refused(app, typed):
    with app.test_request_context(), pytest.raises(Refused):
        transport.checked_address(typed)


def test_an_address_loses_only_its_last_slash():
    assert transport.checked_address(" https://h.example:8443/cloud/ ") == "https://h.example:8443/cloud"


def test_a_token_is_asked_for_once(cloud, monkeypatch):
    asked = []
    fetch = tokens.fetch
    monkeypatch.setattr(tokens, "fetch", lambda client: asked.append(client) or fetch(client))
    for _ in range(3):
        cloud.account()
    assert len(asked) == 1


def test_a_token_is_shared_with_other_processes_sealed(app, cloud, monkeypatch):
    cloud.account()
    kept = redis().get(cloud.client.key)
    assert b"access_token" not in kept
    app.extensions.pop("cloud_tokens")  # as another process, which has nothing in memory
    monkeypatch.setattr(tokens, "fetch", None)
    assert cloud.account()["name"] == "Beispiel GmbH"


def test_many_threads_ask_for_one_token(app, cloud, monkeypatch):
    asked = []
    fetch = tokens.fetch
    monkeypatch.setattr(tokens, "fetch", lambda client: asked.append(client) or fetch(client))

    def call():
        with app.app_context():
            cloud.account()

    threads = [Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_a_token_the_cloud_no_longer_takes_is_replaced(app, cloud):
    cloud.account()
    kept = app.extensions["cloud_tokens"].tokens
    kept[cloud.client.key] = tokens.Token("stale", 9e9)
    assert cloud.account()["name"] == "Beispiel GmbH"


def test_platforms_are_created_changed_and_found(cloud):
    made = cloud.create_platform("amazon", "Amazon 1", DE, True)
    changed = cloud.update_platform(made["reference"], name="Amazon 2", active=False)
    assert (changed["name"], changed["active"]) == ("Amazon 2", False)
    assert [platform["reference"] for platform in cloud.platforms()] == [made["reference"]]
    assert cloud.platform(made["reference"])["connection"]["state"] == "not_authenticated"


def test_a_taken_name_is_told_from_other_refusals(cloud):
    cloud.create_platform("amazon", "Amazon 1", DE, True)
    with pytest.raises(clouds.NameTaken):
        cloud.create_platform("amazon", " AMAZON  1", DE, True)
    with pytest.raises(clouds.NotAccepted) as refused:
        cloud.create_platform("amazon", "Other", ["no id at all"], True)
    assert set(refused.value.errors) == {"marketplaces[0]"}


@pytest.mark.parametrize("order_id", ["..", ".", "", "../connection", "a/b", "?", "#", "%2e%2e", "302-1", "ü 漢"])
def test_no_order_id_leads_to_another_address(cloud, order_id):
    reference = cloud.create_platform("amazon", "Amazon 1", DE, True)["reference"]
    with pytest.raises(clouds.NotFound):
        cloud.order(reference, order_id)


def test_a_connection_begins_at_an_address_of_the_cloud(cloud, live_server):
    reference = cloud.create_platform("amazon", "Amazon 1", DE, True)["reference"]
    assert cloud.start_connection(reference, f"{live_server}/platforms/1").startswith(live_server + "/cloud/connect/")
    cloud.disconnect(reference)


def test_an_empty_inbox_is_a_page_without_orders(cloud):
    reference = cloud.create_platform("amazon", "Amazon 1", DE, True)["reference"]
    body, request_id = cloud.orders(reference, None, 100)
    assert json.loads(body)["orders"] == []
    assert request_id
    assert cloud.acknowledge(reference, [("302-1", datetime.now(UTC))]) == 0


def test_collecting_an_unconnected_platform_is_refused_in_words(cloud):
    reference = cloud.create_platform("amazon", "Amazon 1", DE, True)["reference"]
    with pytest.raises(clouds.NotAccepted):
        cloud.collect(reference)


def test_what_the_account_does_not_have_is_not_found(cloud):
    for call in (cloud.platform, cloud.status, cloud.disconnect, cloud.collect):
        with pytest.raises(clouds.NotFound):
            call("nobody")
