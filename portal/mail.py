"""E-mail by the installation's SMTP server (KONTOR_SMTP_URL): timed, encrypted, its failures in words."""

from __future__ import annotations

import ipaddress
import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import parse_qs, unquote, urlsplit

from flask import current_app

from portal.errors import Refused, Unavailable
from portal.sentences import sentence
from portal.typed import one_line

TIMEOUT_SECONDS = 15
LONGEST_ADDRESS = 254  # what an SMTP path leaves (RFC 5321)
LONGEST_SUBJECT = 150
# A name that needs no quotes (RFC 5322: a dot-atom) and a host; what a server makes of it is its own affair.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){ATOM}(?:\.{ATOM})*@[^\W_](?:[\w.-]*[^\W_])?")

PORTS = {"smtp": 587, "smtps": 465}
TEMPORARY = range(400, 500)


@dataclass(frozen=True)
class Server:
    """The server that takes our mail. `encryption` is "starttls", "tls" (from the first byte) or "none"."""

    host: str
    port: int
    encryption: str
    user: str = ""
    password: str = ""


def is_set_up() -> bool:
    """True where the installation has a mail server."""
    return bool(current_app.config["SMTP_URL"])


def is_address(typed: str) -> bool:
    """True for what may be a mailbox: a name and a host, without spaces, quotes or anything that ends a header."""
    return len(typed) <= LONGEST_ADDRESS and bool(ADDRESS.fullmatch(typed)) and _ascii(typed) is not None


def message_id(name: str) -> str:
    """The Message-ID of the mail that bears this name here: the same again when it is sent again."""
    return f"<{name}@{_our_host()}>"


def send(recipients: Sequence[str], subject: str, text: str, id: str) -> tuple[str, ...]:
    """Hand a mail of plain text to the server; return the addresses that it refused, if not all.

    Raises Unavailable (asking later may work) and Refused, both in words; nobody gets it then.
    """
    server = server_of(current_app.config["SMTP_URL"])
    mail = compose(_sender(), recipients, subject, text, id)
    # The addresses stand in the envelope too, where an internationalised host needs its ASCII form.
    envelope = {_ascii(address) or address: address for address in recipients}
    with in_words(server), _connected(server) as connection:
        refused = connection.send_message(mail, to_addrs=list(envelope))
    return tuple(envelope[address] for address in refused)


def compose(sender: str, recipients: Sequence[str], subject: str, text: str, id: str) -> EmailMessage:
    """The mail, as it goes over the wire. Raises Refused for an address that is none."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _mailbox(sender)
    mail["To"] = [_mailbox(address) for address in recipients]
    # Whatever ends a line in Unicode is a blank here, or the header would be refused for it.
    mail["Subject"] = " ".join((one_line(subject) or "").split())[:LONGEST_SUBJECT]
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = id
    # Nobody's holiday notice answers a machine (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    return mail


def server_of(url: str) -> Server:
    """The server that KONTOR_SMTP_URL names. Raises Refused where it is empty or makes no sense."""
    if not url:
        raise Refused(sentence("This installation has no mail server yet. Whoever runs it sets KONTOR_SMTP_URL."))
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise _misspelt() from None
    encryption = "tls" if parts.scheme == "smtps" else options.pop("tls", ["starttls"])[0]
    if not port or not parts.hostname or options or encryption not in ("starttls", "tls", "none"):
        raise _misspelt()
    return Server(parts.hostname, port, encryption, unquote(parts.username or ""), unquote(parts.password or ""))


@contextmanager
def in_words(server: Server) -> Iterator[None]:
    """Turn what smtplib raises into our errors: the one place where that is done."""
    place = f"{server.host}:{server.port}"
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        raise _all_refused(error.recipients) from error
    except smtplib.SMTPAuthenticationError as error:
        raise _answered(
            error.smtp_code,
            sentence(
                "The mail server %(place)s does not take our user name and password: %(answer)s",
                place=place,
                answer=_text(error.smtp_code, error.smtp_error),
            ),
        ) from error
    except smtplib.SMTPResponseException as error:
        raise _answered(
            error.smtp_code,
            sentence(
                "The mail server %(place)s refuses the mail: %(answer)s",
                place=place,
                answer=_text(error.smtp_code, error.smtp_error),
            ),
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(
            sentence(
                "The certificate of the mail server %(place)s is not valid: %(reason)s. Nothing was sent.",
                place=place,
                reason=error.verify_message,
            )
        ) from error
    except ssl.SSLError as error:
        raise Unavailable(
            sentence("The mail server %(place)s does not answer encrypted. Check port and encryption.", place=place)
        ) from error
    except (TimeoutError, smtplib.SMTPServerDisconnected) as error:
        # smtplib calls it a broken connection where the server only kept silent.
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            raise Unavailable(sentence("The mail server %(place)s did not answer in time.", place=place)) from error
        raise Unavailable(sentence("The mail server %(place)s broke off the connection.", place=place)) from error
    except smtplib.SMTPException as error:  # such as no STARTTLS, or no way of signing in that we know
        raise Refused(
            sentence(
                "The mail server %(place)s does not offer what is asked of it: %(reason)s",
                place=place,
                reason=(one_line(str(error)) or "")[:200],
            )
        ) from error
    except (OSError, UnicodeError) as error:
        raise Unavailable(sentence("The mail server %(place)s is not reachable.", place=place)) from error


@contextmanager
def _connected(server: Server) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted and signed in as the URL says. How it ends changes nothing any more."""
    context = ssl.create_default_context()
    us, patience = _our_host(), TIMEOUT_SECONDS
    if server.encryption == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, us, timeout=patience, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, us, timeout=patience)
    try:
        if server.encryption == "starttls":
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password)
        yield connection
        with suppress(OSError):  # the mail is taken: a server that says goodbye badly must not get it again
            connection.quit()
    finally:
        connection.close()


def _sender() -> str:
    sender: str = current_app.config["MAIL_FROM"]
    if not sender:
        raise Refused(sentence("This installation’s mails have no sender yet. Whoever runs it sets KONTOR_MAIL_FROM."))
    return sender


def _mailbox(address: str) -> Address:
    """The address as a header takes it, which holds nothing else."""
    if not is_address(address):
        raise Refused(sentence("“%(address)s” is not an e-mail address.", address=(one_line(address) or "")[:80]))
    return Address(addr_spec=_ascii(address) or "")


def _ascii(address: str) -> str | None:
    """The address with its host as the wire has it, None for a host that cannot be."""
    name, _, host = address.rpartition("@")
    try:
        return f"{name}@{host.encode('idna').decode()}"
    except UnicodeError:
        return None


def _our_host() -> str:
    """How we call ourselves: the public address's host."""
    host = urlsplit(current_app.config["PUBLIC_URL"]).hostname or "localhost"
    try:
        return f"[{'IPv6:' if ipaddress.ip_address(host).version == 6 else ''}{host}]"
    except ValueError:
        return host


def _all_refused(recipients: Mapping[str, tuple[int, bytes]]) -> Refused | Unavailable:
    """What to say where the server takes nobody: passing as soon as one refusal is."""
    address, (code, answer) = min(recipients.items(), key=lambda one: one[1][0])
    return _answered(
        code,
        sentence(
            "The mail server does not take the address %(address)s: %(answer)s",
            address=address,
            answer=_text(code, answer),
        ),
    )


def _answered(code: int, words: str) -> Refused | Unavailable:
    return Unavailable(words) if code in TEMPORARY or code < 0 else Refused(words)


def _text(code: int, answer: bytes | str) -> str:
    """A server's own words, on one line and no longer than a sentence."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return f"{code} {one_line(text)}"[:200]


def _misspelt() -> Refused:
    return Refused(
        sentence(
            "KONTOR_SMTP_URL cannot be read. It looks like smtp://user:password@mail.example.com:587?tls=starttls "
            "or smtps://user:password@mail.example.com:465."
        )
    )
