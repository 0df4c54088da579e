"""E-mail over real sockets: what goes over the wire, and each way in which it does not."""

from __future__ import annotations

import socket
import ssl
import threading
from email import message_from_bytes, policy
from urllib.parse import quote

import pytest
from aiosmtpd.controller import Controller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import mail
from portal.errors import Refused, Unavailable
from tests.mail.conftest import SENDER
from tests.mail.server import PASSWORD, USER, certified, serving
from tests.ports import free_port

NOT_ADDRESSES = (
    *("<a@b>", "a@b, c@d", "a b@c", '"a"@b', "a@b>", "a..b@c", ".a@b", "a.@b", "a@b..c", "ä@b"),
    f"{65 * 'a'}@b",
)
LETTERS = st.text("a.-ü'\r\n\0\u2028 ,<>\"", min_size=1, max_size=5)
ADDRESSES = st.builds("{}@{}".format, LETTERS | st.just("o'hara"), LETTERS | st.just("müller.example"))
TO = ["owner@example.com", "clerk@example.com"]


@pytest.fixture(autouse=True)
def inside(app):
    """The settings as they were before, whatever a test makes of them."""
    with app.app_context():
        before = {name: app.config[name] for name in ("SMTP_URL", "MAIL_FROM")}
        app.config["MAIL_FROM"] = SENDER
        yield
        app.config.update(before)


def send(app, url, to=TO, subject="Fünf Aufträge", text="Größe: 5 €\n.\nEnde\n"):
    app.config["SMTP_URL"] = url
    return mail.send(to, subject, text, mail.message_id("test-1"))


def test_what_is_sent_arrives_letter_by_letter(app, post):
    assert send(app, post.url, ["owner@example.com", "info@müller.example"]) == ()
    (got,) = post.mails
    assert got["From"] == SENDER and got["To"] == "owner@example.com, info@xn--mller-kva.example"
    assert got["Subject"] == "Fünf Aufträge" and got["Message-ID"] == "<test-1@[127.0.0.1]>"
    assert got["Auto-Submitted"] == "auto-generated" and got["Date"]
    assert got.get_content().replace("\r\n", "\n") == "Größe: 5 €\n.\nEnde\n"
    assert post.envelopes == [(SENDER, ["owner@example.com", "info@xn--mller-kva.example"])]


@pytest.mark.parametrize(
    "evil", ["a\r\nBcc: thief@example.com", "a\nBcc: thief@example.com\n\nbody", "a\0b\x85c\u2028d"]
)
def test_no_header_is_smuggled_in(app, post, evil):
    send(app, post.url, subject=evil, text=evil)
    (got,) = post.mails
    assert got["Bcc"] is None and len(got.get_all("Subject")) == 1 and set(post.envelopes[0][1]) == set(TO)
    for address in (f"x@example.com{evil[1:]}", "a@b\r\nRCPT TO:<c@d>", *NOT_ADDRESSES):
        assert not mail.is_address(address)
        with pytest.raises(Refused, match="not an e-mail address"):
            send(app, post.url, [address])
    assert len(post.mails) == 1


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(ADDRESSES, st.text(max_size=200), st.text(max_size=50))
def test_whatever_is_typed_makes_a_mail_or_is_refused(address, subject, text):
    try:
        made = mail.compose(SENDER, [address], subject, text, "<1@here>")
    except Refused:
        assert not mail.is_address(address)
        return
    read = message_from_bytes(made.as_bytes(), policy=policy.default)
    assert read.keys() == made.keys() and read["To"].addresses[0].addr_spec.isascii()


@pytest.mark.parametrize(
    "address", ["o'hara+kontor@example.com", "a@localhost", "info@müller.example", "a.b@c-d.example"]
)
def test_an_address_is_known_as_one(address):
    assert mail.is_address(address)


class TestEncrypted:
    def test_starttls_and_sign_in(self, app, tmp_path, monkeypatch):
        with serving(tmp_path) as post:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            at = f"127.0.0.1:{post.port}"
            send(app, f"smtp://{quote(USER)}:{quote(PASSWORD, safe='')}@{at}?tls=starttls")
            assert len(post.mails) == 1
            with pytest.raises(Refused, match="does not take our user name and password: 535"):
                send(app, f"smtp://{quote(USER)}:wrong@{at}")
            with pytest.raises(Refused, match="530"):
                send(app, f"smtp://{at}?tls=none")
            assert len(post.mails) == 1

    def test_encrypted_from_the_first_byte(self, app, tmp_path, monkeypatch):
        with serving(ssl_context=certified(tmp_path)) as post:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            send(app, f"smtps://127.0.0.1:{post.port}")
            assert len(post.mails) == 1

    @pytest.mark.parametrize("scheme", ["smtp", "smtps"])
    def test_a_certificate_that_nobody_vouches_for_is_refused(self, app, tmp_path, scheme):
        context = certified(tmp_path)
        options = {"ssl_context": context} if scheme == "smtps" else {"tls_context": context}
        with serving(**options) as post:
            with pytest.raises(Unavailable, match=r"certificate of the mail server 127.0.0.1:[0-9]+ is not valid"):
                send(app, f"{scheme}://127.0.0.1:{post.port}")
            assert not post.mails

    def test_a_server_that_does_not_encrypt_gets_nothing(self, app, post):
        with pytest.raises(Refused, match="does not offer what is asked"):
            send(app, post.url.replace("none", "starttls"))
        with pytest.raises(Unavailable, match="does not answer encrypted"):
            send(app, f"smtps://127.0.0.1:{post.port}")
        assert not post.mails


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "kind"), [("451 4.3.0 try later", Unavailable), ("552 5.3.4 too big", Refused), (None, Unavailable)]
    )
    def test_of_the_mail(self, app, post, answer, kind):
        post.at_data.append(answer)
        with pytest.raises(kind, match=answer or "broke off the connection"):
            send(app, post.url)
        assert send(app, post.url) == () and len(post.mails) == 1

    def test_of_every_address(self, app, post):
        post.at_recipient = dict.fromkeys(TO, "550 5.1.1 unknown")
        with pytest.raises(Refused, match=r"owner@example.com: 550 5.1.1 unknown"):
            send(app, post.url)
        post.at_recipient["clerk@example.com"] = "450 4.2.0 greylisted"
        with pytest.raises(Unavailable, match=r"clerk@example.com: 450"):
            send(app, post.url)
        assert not post.mails

    def test_of_one_address_the_others_get_it(self, app, post):
        post.at_recipient = {"clerk@example.com": "550 5.1.1 unknown"}
        assert send(app, post.url) == ("clerk@example.com",)
        assert post.envelopes == [(SENDER, ["owner@example.com"])]

    def test_a_bad_goodbye_does_not_undo_what_was_taken(self, app):
        class Rude:
            async def handle_QUIT(self, server, session, envelope):
                return "554 no"

        controller = Controller(Rude(), hostname="127.0.0.1", port=free_port())
        controller.start()
        try:
            assert send(app, f"smtp://127.0.0.1:{controller.port}?tls=none") == ()
        finally:
            controller.stop()

    def test_nobody_there_or_nobody_who_answers(self, app, monkeypatch):
        with pytest.raises(Unavailable, match="not reachable"):
            send(app, f"smtp://127.0.0.1:{free_port()}?tls=none")
        monkeypatch.setattr(mail, "TIMEOUT_SECONDS", 0.1)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="in time"):
            send(app, f"smtp://127.0.0.1:{silent.getsockname()[1]}?tls=none")

    def test_a_server_that_speaks_something_else(self, app):
        with socket.create_server(("127.0.0.1", 0)) as web:
            threading.Thread(target=lambda: web.accept()[0].sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), daemon=True).start()
            with pytest.raises(Unavailable):
                send(app, f"smtp://127.0.0.1:{web.getsockname()[1]}?tls=none")


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "read"),
        [
            ("smtp://mail.example.com", ("mail.example.com", 587, "starttls", "", "")),
            ("smtps://mail.example.com", ("mail.example.com", 465, "tls", "", "")),
            ("smtp://a%40b:c%3Ad@h:25?tls=none", ("h", 25, "none", "a@b", "c:d")),
        ],
    )
    def test_what_the_address_says(self, url, read):
        server = mail.server_of(url)
        assert (server.host, server.port, server.encryption, server.user, server.password) == read

    @pytest.mark.parametrize(
        "url", ["mail.example.com", "http://a", "smtp://", "smtp://a:99999", "smtp://a?tls=maybe", "smtp://a?x=y"]
    )
    def test_what_cannot_be_read_is_said_without_its_secrets(self, app, url):
        with pytest.raises(Refused, match="KONTOR_SMTP_URL cannot be read"):
            send(app, url)

    def test_without_server_or_sender_it_says_who_sets_them(self, app):
        with pytest.raises(Refused, match="KONTOR_SMTP_URL"):
            send(app, "")
        app.config["MAIL_FROM"] = ""
        with pytest.raises(Refused, match="KONTOR_MAIL_FROM"):
            send(app, "smtp://127.0.0.1:1")


def test_the_command_sends_one_or_says_why_not(app, post):
    done = app.test_cli_runner().invoke(args=["mail-test", "you@example.com"])
    assert done.exit_code == 0 and post.envelopes == [(SENDER, ["you@example.com"])]
    failed = app.test_cli_runner().invoke(args=["mail-test", "you"])
    assert failed.exit_code == 1 and "not an e-mail address" in failed.output


def test_the_certificate_of_the_tests_is_good_but_for_its_authority(tmp_path):
    """Else it would be refused for another reason than the one that is tested."""
    certified(tmp_path)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    assert context.cert_store_stats()["x509_ca"] == 1
