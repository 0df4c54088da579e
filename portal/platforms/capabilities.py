"""What each marketplace can tell and take: pages offer only what its connector can do."""

from __future__ import annotations

from dataclasses import dataclass

from portal.platforms.models import Platform, RemoteKind


@dataclass(frozen=True)
class Capabilities:
    """What a connector tells of an order, and what settings a marketplace has to offer."""

    mapped: tuple[RemoteKind, ...] = ()  # which of its words can be mapped
    guests: bool = False  # guests are told apart from customers with an account
    resells: bool = False  # it buys some orders itself and sells them on
    settings: bool = False  # its settings can be imported


CAPABILITIES = {
    "amazon": Capabilities(mapped=(RemoteKind.PAYMENT, RemoteKind.SHIPPING), resells=True, settings=True),
}


def capabilities_of(platform: Platform) -> Capabilities:
    """What the platform's connector can do; nothing, where the kind is not known."""
    return CAPABILITIES.get(platform.kind, Capabilities())
