"""Servers that are anything but a Kontor cloud."""

from __future__ import annotations

import datetime
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Reply:
    """What a server says to every call. `seen` lists what it was asked."""

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        seconds: float = 0,
        certificate: Path | None = None,
        trickles: bool = False,
        head_trickles: bool = False,
    ) -> None:
        self.status, self.body, self.headers = status, body, headers or {}
        self.seconds, self.certificate, self.trickles = seconds, certificate, trickles
        self.head_trickles = head_trickles
        self.seen: list[str] = []


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], str]]:
    """`serve(Reply(...))` starts a server and gives its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(reply: Reply) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                reply.seen.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                time.sleep(reply.seconds)
                self.send_response(reply.status)
                for number in range(200 * reply.head_trickles):
                    self.send_header(f"X-{number}", "more")
                    self.flush_headers()
                    time.sleep(0.05)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                size = 1 if reply.trickles else max(len(reply.body), 1)
                for at in range(0, len(reply.body), size):
                    self.wfile.write(reply.body[at : at + size])
                    time.sleep(0.05 * reply.trickles)

            do_GET = do_POST = answer

            def log_message(self, *arguments: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
        scheme = "http"
        if reply.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(reply.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"{scheme}://127.0.0.1:{server.server_port}/cloud"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
