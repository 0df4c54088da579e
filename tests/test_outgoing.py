"""Calls to addresses that tenants name do not reach into the provider's network: over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
import requests
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from urllib3.util.connection import HAS_IPV6

from jobs.outbox import deliver_event
from jobs.tasks import run_task
from portal.automation.models import RunState, Task, TaskRun
from portal.cloud.events import CONNECTION_CHANGED, emit
from portal.cloud.models import CloudEvent
from portal.config import networks
from portal.extensions import db
from portal.outgoing import NAT64, GuardedAdapter, PrivateNetwork, Reach, equip, is_public
from portal.scope import account
from tests.cloud.api.caller import new_caller, row_of
from tests.cloud.api.receiver import Receiver, receiving
from tests.desk import Desk
from tests.patience import SECONDS

LOOPBACK = networks("127.0.0.0/8")
REFUSAL = "is in a private network. Who runs this installation can allow it: KONTOR_PRIVATE_NETWORKS."

# What Python's tables of this version do not know, or count among the public ones, and we do not.
BEYOND_PYTHON = [
    *map(IPv4Network, ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")),
    *map(IPv6Network, ("2001::/23", "2002::/16", "3fff::/20", "64:ff9b::/96")),
]


def wrapped(address: IPv4Address) -> list[IPv6Address]:
    """The ways to say an IPv4 address in IPv6 that lead to the same machine."""
    return [IPv6Address(0xFFFF << 32 | int(address)), IPv6Address(int(NAT64.network_address) | int(address))]


# Hypothesis draws as often from the special ranges as from all.
@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_as_python_does_however_it_is_wrapped(address):
    python = address.is_global and not address.is_multicast
    assert is_public(address) == (python and not any(address in net for net in BEYOND_PYTHON if net.version == 4))
    assert [is_public(same) for same in wrapped(address)] == [is_public(address)] * 2


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_public_only_where_python_knows_it_to_be(address):
    if address.ipv4_mapped is None and not any(address in net for net in BEYOND_PYTHON if net.version == 6):
        python = address.is_global and not (address.is_multicast or address.is_reserved or address.is_site_local)
        # Python takes for public what is not given out to anybody.
        assert is_public(address) == (python and address in IPv6Network("2000::/3"))


@pytest.mark.parametrize(
    "network",
    [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "192.0.0.0/24", "192.88.99.0/24"),
        *("168.63.129.16/32", "::/96", "::1", "fe80::/10", "fc00::/7", "ff00::/8", "fec0::/10", "2001::/32"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "64:ff9b::a00:0/104", "64:ff9b:1::/48"),
        *("::ffff:0:0/104", "::ffff:a9fe:0/112"),
    ],
)  # fmt: skip
def test_the_first_and_the_last_of_a_special_network_are_refused_unless_it_is_allowed(network):
    (there,) = networks(network)
    for address in (there[0], there[-1]):
        assert not is_public(address) and not Reach().allows(address)
        assert Reach((there,)).allows(address)


@given(st.ip_addresses(v=4, network="10.0.0.0/8"), st.integers(9, 32))
def test_of_a_network_that_is_allowed_just_its_own_may_be_called(address, length):
    network = IPv4Network((int(address), length), strict=False)
    reach = Reach((network,))
    assert all(reach.allows(same) for same in (address, *wrapped(address)))
    for beside in (int(network[0]) - 1, int(network[-1]) + 1):
        assert reach.allows(IPv4Address(beside)) == is_public(IPv4Address(beside))


def test_the_setting_says_what_it_does_not_understand():
    assert networks("") == () and [str(each) for each in networks("10.0.0.5, fd00::/8")] == ["10.0.0.5/32", "fd00::/8"]
    with pytest.raises(ValueError, match=r"KONTOR_PRIVATE_NETWORKS: 10\.0\.0\.5/8 has host bits set"):
        networks("10.0.0.5/8")


# Over sockets


class Listener:
    """A port at which connections are counted, and what comes in on them kept; `url` to call it."""

    def __init__(self, server: socket.socket) -> None:
        self.server, self.connections, self.came = server, 0, b""
        self.port = server.getsockname()[1]

    def url(self, host: str, scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/"

    def serve(self) -> None:
        while True:
            try:
                caller, _address = self.server.accept()
            except OSError:  # closed: the test has ended
                return
            self.connections += 1
            with caller:
                self.came += caller.recv(4096)
                caller.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[Listener]:
    with closing(socket.create_server((host, port))) as server:
        listener = Listener(server)
        thread = threading.Thread(target=listener.serve, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)  # or accept() goes on waiting
            thread.join(SECONDS)


def session(*allowed, own=frozenset()) -> requests.Session:
    return equip(requests.Session(), GuardedAdapter(Reach(allowed, own)))


IN_IPV6 = pytest.param("[::ffff:127.0.0.1]", marks=pytest.mark.skipif(not HAS_IPV6, reason="there is no IPv6"))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0", IN_IPV6])
def test_nobody_connects_to_the_machine_itself_whatever_it_is_called(host, scheme):
    with listening() as there:
        with session() as calling, pytest.raises(PrivateNetwork, match=REFUSAL):
            calling.get(there.url(host, scheme), timeout=SECONDS)
        assert there.connections == 0, "not even a connection, which would tell whether a port is open"


def test_what_is_allowed_and_what_is_our_own_is_called():
    with listening() as there:
        assert session(*LOOPBACK).get(there.url("localhost"), timeout=SECONDS).status_code == 204
        assert session(own=frozenset({("localhost", there.port)})).get(there.url("LOCALHOST")).status_code == 204
        with pytest.raises(PrivateNetwork):
            session(own=frozenset({("localhost", there.port + 1)})).get(there.url("localhost"), timeout=SECONDS)
        assert there.connections == 2 and b"Host: localhost:" in there.came


@pytest.fixture
def names(monkeypatch):
    """`names[host] = [answers]`: what the name service says, each time something else; numbers are left to it."""
    said: dict[str, list[list[str]]] = {}
    ask = socket.getaddrinfo

    def answer(host, port, *arguments, **options):
        if host in said:
            return [found for address in said[host].pop(0) for found in ask(address, port, *arguments, **options)]
        return ask(host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return said


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(names):
    names["rebound.example"] = [["127.0.0.2"], ["127.0.0.1"]]
    with listening("127.0.0.1") as inner, listening("127.0.0.2", inner.port) as judged:
        calling = session(*networks("127.0.0.2"))
        assert calling.get(judged.url("rebound.example"), timeout=SECONDS).status_code == 204
        assert (judged.connections, inner.connections) == (1, 0)
        with pytest.raises(PrivateNetwork):  # the connection is at its end; the next one is judged anew
            calling.get(judged.url("rebound.example"), timeout=SECONDS)
        assert (judged.connections, inner.connections) == (1, 0)


def test_of_several_addresses_those_that_may_not_be_called_are_left_out(names):
    names["mixed.example"] = [["127.0.0.1", "127.0.0.3", "127.0.0.2"]]
    with listening("127.0.0.1") as inner, listening("127.0.0.2", inner.port) as good:
        # Nobody listens at 127.0.0.3: the next is tried.
        allowed = networks("127.0.0.2 127.0.0.3")
        assert session(*allowed).get(good.url("mixed.example"), timeout=SECONDS).status_code == 204
        assert (good.connections, inner.connections) == (1, 0)


def test_a_redirect_that_is_followed_is_judged_too():
    with receiving() as outer, listening() as inner:
        outer.in_line.append((307, inner.url("127.0.0.1")))
        calling = session(own=frozenset({("127.0.0.1", int(outer.url.split(":")[2].split("/")[0]))}))
        with pytest.raises(PrivateNetwork):
            calling.post(outer.url, data=b"{}", timeout=SECONDS, allow_redirects=True)
        assert len(outer.calls) == 1 and inner.connections == 0


def test_no_proxy_is_asked(monkeypatch):
    with listening() as proxy, listening() as there:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url("127.0.0.1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert session(*LOOPBACK).get(there.url("127.0.0.1"), timeout=SECONDS).status_code == 204
        with pytest.raises(requests.exceptions.InvalidProxyURL):
            session(*LOOPBACK).get(there.url("127.0.0.1"), proxies={"http": proxy.url("127.0.0.1")}, timeout=SECONDS)
        assert (proxy.connections, there.connections) == (0, 1)


# Where tenants name addresses


@pytest.fixture
def strict(app: Flask, monkeypatch) -> Iterator[Flask]:
    """The app as it is on a server, where no network is allowed; itself it calls all the same."""
    monkeypatch.setitem(app.config, "PRIVATE_NETWORKS", ())
    kept = app.extensions.pop("cloud_session", None)
    yield app
    app.extensions.pop("cloud_session", None)
    if kept is not None:
        app.extensions["cloud_session"] = kept


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def desk(app: Flask, make_tenant, client_of) -> Desk:
    return Desk.of(app, make_tenant(), client_of)


def credential_at(desk: Desk, address: str) -> dict[str, str]:
    merchant = desk.merchant
    known = {"client_id": merchant.client_id, "client_secret": merchant.client_secret}
    return {"kind": "cloud", "name": "Cloud", "address": address, **known}


def test_a_credential_is_refused_when_it_is_saved_and_when_it_is_tested(desk, receiver, strict, live_server):
    own = f"/credentials/{desk.merchant.credential_id}"
    page = desk.send(own, 422, **credential_at(desk, receiver.url))
    assert f"127.0.0.1 {REFUSAL}" in page.error_of("address") and page.fields["address"] == receiver.url
    with desk.inside():  # as if its name had stood for something else when it was saved
        db.session.execute(text("UPDATE credential SET address = :url"), {"url": receiver.url})
        db.session.commit()
    assert f"127.0.0.1 {REFUSAL}" in desk.do(f"{own}/test").one("div", id="test").words
    assert receiver.calls == []
    desk.do(own, **credential_at(desk, f"{live_server}/cloud"))
    assert "The cloud takes this credential." in desk.do(f"{own}/test").words, "the installation's own may be called"


def test_a_cloud_that_does_not_take_our_address_is_a_good_one(desk, monkeypatch, app, live_server):
    monkeypatch.setitem(app.config, "PUBLIC_URL", "ftp://kontor.example")  # no address a cloud calls
    assert "The cloud takes this credential." in desk.do(f"/credentials/{desk.merchant.credential_id}/test").words


def test_a_webhook_is_refused_when_it_is_saved_and_a_warning_when_it_runs(desk, receiver, app, request):
    task = {"name": "Morning", "kind": "manual", "active": "y", "kinds-0": "webhook", "conditions-0": "always"}
    task |= {"urls-0": receiver.url, "secrets-0": "shared-with-the-receiver"}
    desk.do("/services/", name="Office", workers="1", active="y")
    desk.do("/tasks/", **task)
    request.getfixturevalue("strict")
    page = desk.send("/tasks/", 422, **task | {"name": "Evening"})
    assert f"127.0.0.1 {REFUSAL}" in page.error_of("urls-0") and page.fields["urls-0"] == receiver.url
    with desk.inside():
        id = db.session.scalars(select(Task.id)).one()
    desk.do(f"/tasks/{id}/runs")
    with desk.inside():
        run = db.session.scalars(select(TaskRun)).one()
    with app.app_context():
        run_task(desk.merchant.tenant_id, run.id)
    with desk.inside():
        ended = db.session.get_one(TaskRun, run.id)
    assert (ended.state, ended.warnings, ended.errors) == (RunState.DONE, 1, 0)
    assert f"127.0.0.1 {REFUSAL}" in desk.open(f"/tasks/runs/{run.id}").words
    assert receiver.calls == []


def test_the_clouds_api_refuses_it_and_sends_no_event_there(app, receiver, request):
    caller = new_caller(app, "Beispiel GmbH")
    webhook = {"url": receiver.url, "secret": "shared-with-the-receiver"}
    assert caller.put("/v1/webhook", webhook).status_code == 204
    reference = caller.connected()
    with caller.rows():
        emit(CONNECTION_CHANGED, row_of(reference))
    request.getfixturevalue("strict")
    answer = caller.put("/v1/webhook", webhook)
    assert answer.status_code == 422 and answer.json["errors"]["url"] == f"127.0.0.1 {REFUSAL}"
    assert caller.put("/v1/webhook", webhook | {"url": "http://kontor.example:99999/"}).status_code == 204
    with app.app_context(), account(caller.account_id):  # as if it had been set before
        db.session.execute(text("UPDATE cloud_account SET webhook_url = :url"), {"url": receiver.url})
        db.session.commit()
        event = db.session.scalars(select(CloudEvent)).one()
    with app.app_context():
        deliver_event(caller.account_id, event.id)
    with app.app_context(), account(caller.account_id):
        event = db.session.scalars(select(CloudEvent)).one()
        assert (event.attempts, event.delivered_at, receiver.calls) == (1, None, [])
