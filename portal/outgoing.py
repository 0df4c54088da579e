"""Calls to addresses that a tenant's administrator names: out to the internet, never into the provider's network.

A name is looked up once, what it stands for is judged, and that very address is connected to. So neither a name
that stands for something else a moment later, nor a redirect, nor an odd way to write a number leads elsewhere.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import current_app
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util.connection import allowed_gai_family, create_connection

from portal import answers
from portal.errors import Refused
from portal.sentences import sentence

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What is not somebody's on the internet, by IANA's registries of special-purpose addresses. Written down here,
# since what Python's own `is_global` says differs between its versions.
NOT_PUBLIC = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this machine
            "10.0.0.0/8",
            "100.64.0.0/10",  # of providers' own networks (RFC 6598)
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's services for the machine that asks
            "169.254.0.0/16",  # of the link; other clouds' services for the machine that asks
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
# Of IPv6 it is the other way round: this much is given out, and the rest is not.
PUBLIC_6 = IPv6Network("2000::/3")
NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols' own, among them Teredo, which wraps IPv4
            "2001:db8::/32",
            "2002::/16",  # 6to4, which wraps IPv4
            "3fff::/20",
        ),
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # how a machine without IPv4 reaches it (RFC 6052)


class PrivateNetwork(Refused):
    """The address is of a network that must not be called."""


@dataclass(frozen=True)
class Reach:
    """What may be called besides the internet: networks, and hosts with a port, whatever they stand for.

    `certificates` is a file of the authorities that are trusted, where they are not everybody's.
    """

    networks: tuple[Network, ...] = ()
    own: frozenset[tuple[str, int]] = frozenset()
    certificates: str = ""

    def allows(self, address: Address) -> bool:
        meant = in_ipv4(address)
        return is_public(meant) or any(each in network for each in (address, meant) for network in self.networks)

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses that the host stands for and that may be called, at least one.

        Raises PrivateNetwork; OSError and UnicodeError where the name stands for nothing.
        """
        found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
        addresses = [str(place[0]) for _family, _type, _protocol, _name, place in found]
        if (host.lower(), port) in self.own:
            return addresses
        allowed = [address for address in addresses if self.allows(ip_address(address))]
        if not allowed:
            raise PrivateNetwork(
                sentence(
                    "%(host)s is in a private network. "
                    "Who runs this installation can allow it: KONTOR_PRIVATE_NETWORKS.",
                    host=host,
                )
            )
        return allowed


def is_public(address: Address) -> bool:
    """Whether it is one on the internet."""
    meant = in_ipv4(address)
    if isinstance(meant, IPv4Address):
        return not any(meant in network for network in NOT_PUBLIC)
    return meant in PUBLIC_6 and not any(meant in network for network in NOT_PUBLIC_6)


def in_ipv4(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does; else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def reach() -> Reach:
    """What this installation lets its tenants call: networks its operator names, and itself."""
    own = (_place(current_app.config[name]) for name in ("PUBLIC_URL", "CLOUD_URL"))
    return Reach(current_app.config["PRIVATE_NETWORKS"], frozenset(own), current_app.config["CERTIFICATES"])


def check(url: str) -> None:
    """Raise PrivateNetwork if the URL must not be called. What stands for nothing (yet) is let pass."""
    with contextlib.suppress(OSError, ValueError):
        reach().addresses(*_place(url))


def equip(new: requests.Session, adapter: GuardedAdapter) -> requests.Session:
    """Make a session safe to send to an address that a person typed: all its calls go by the adapter."""
    new.mount("https://", adapter)
    new.mount("http://", adapter)
    new.verify = adapter.allowed.certificates or True
    new.trust_env = False  # no password from a .netrc, no proxy, and no look at the environment on each call
    new.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    new.headers["User-Agent"] = "Kontor"
    return new


class GuardedAdapter(HTTPAdapter):
    """Connects only where `allowed` lets it. Raises PrivateNetwork before anything is sent, TLS included."""

    def __init__(self, allowed: Reach, **options: Any) -> None:
        self.allowed = allowed
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(GuardedPool, allowed=self.allowed),
            "https": partial(GuardedTLSPool, allowed=self.allowed),
        }

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """There is none: a proxy would look the name up by itself, and might find another address."""
        raise requests.exceptions.InvalidProxyURL("These calls go through no proxy.")


class GuardedConnection(HTTPConnection):
    """Looks its host up itself, and connects to what it found and may call."""

    def __init__(self, *arguments: Any, allowed: Reach, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.allowed = allowed

    def _new_conn(self) -> socket.socket:
        try:
            return self._connected(self.allowed.addresses(self._dns_host, self.port))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} does not answer.") from error
        except OSError as error:
            raise NewConnectionError(self, f"{self.host} cannot be connected to: {error}") from error

    def _connected(self, addresses: Sequence[str]) -> socket.socket:
        *others, last = addresses
        for address in others:
            with contextlib.suppress(OSError):
                return self._connected([address])
        return create_connection((last, self.port), self.timeout, self.source_address, self.socket_options)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """The head of the answer, within answers.HEAD_SECONDS. Raises TimeoutError."""
        with answers.within(answers.HEAD_SECONDS, self.sock):
            return super().getresponse()


class GuardedTLSConnection(GuardedConnection, HTTPSConnection):
    """The same, of https: the certificate is asked for by the host's name, as ever."""


class GuardedPool(HTTPConnectionPool):
    """Connections that are kept were judged when they were made."""

    ConnectionCls = GuardedConnection


class GuardedTLSPool(HTTPSConnectionPool):
    """The same, of https."""

    ConnectionCls = GuardedTLSConnection


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
