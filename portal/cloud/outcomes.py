"""How connecting a platform can end, in codes for programs and in words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from portal.sentences import Sentence, sentence


class Outcome(StrEnum):
    """How connecting ended. The codes are part of the API."""

    AUTHENTICATED = "authenticated"
    REFUSED = "refused"
    EXPIRED = "expired"
    REPLAYED = "replayed"
    FOREIGN_SELLER = "foreign_seller"
    ALREADY_CONNECTED = "already_connected"
    CODE_REFUSED = "code_refused"
    UNAVAILABLE = "unavailable"
    LOST_STATE = "lost_state"


class Words(NamedTuple):
    """What happened, what it means for the orders, what to do."""

    happened: Sentence
    means: Sentence
    to_do: Sentence


WORDS: dict[Outcome, Words] = {
    Outcome.AUTHENTICATED: Words(
        sentence("The platform is connected."),
        sentence("Its orders are being collected now."),
        sentence("There is nothing left to do."),
    ),
    Outcome.REFUSED: Words(
        sentence("The marketplace reports that consent was refused."),
        sentence("The platform is as it was before. No orders are collected by this attempt, and none is lost."),
        sentence("Press CONNECT again and give your consent."),
    ),
    Outcome.EXPIRED: Words(
        sentence("Connecting took longer than 15 minutes."),
        sentence("For safety the attempt has ended. Orders wait at the marketplace, none is lost."),
        sentence("Press CONNECT again; the marketplace will ask once more."),
    ),
    Outcome.REPLAYED: Words(
        sentence("This answer of the marketplace has been used before."),
        sentence("Nothing was changed by opening it again."),
        sentence("Look at the platform: if it is not connected, press CONNECT again."),
    ),
    Outcome.FOREIGN_SELLER: Words(
        sentence("You signed in to the marketplace as another seller than the one this platform belongs to."),
        sentence("The platform keeps its seller and its orders; those of the other seller are not collected."),
        sentence(
            "Press CONNECT again and sign in as the platform's seller, or create a platform of its own for the other."
        ),
    ),
    Outcome.ALREADY_CONNECTED: Words(
        sentence("Another platform of this account collects the same seller's orders of the same marketplace."),
        sentence("The platform is not connected by this attempt: each order would come twice. None is lost."),
        sentence("Use the other platform, or give each of them marketplaces of its own and press CONNECT again."),
    ),
    Outcome.CODE_REFUSED: Words(
        sentence("The marketplace did not accept the code that it gave your browser. It lives five minutes only."),
        sentence("The platform is not connected by this attempt. Orders wait at the marketplace, none is lost."),
        sentence("Press CONNECT again."),
    ),
    Outcome.UNAVAILABLE: Words(
        sentence("The marketplace did not answer, or does not let this installation in."),
        sentence("The platform is not connected by this attempt. Orders wait at the marketplace, none is lost."),
        sentence("Press CONNECT again in a few minutes. If it goes on, tell who runs this installation."),
    ),
    Outcome.LOST_STATE: Words(
        sentence("This address belongs to no attempt to connect that was begun in this browser."),
        sentence("Nothing was changed. Orders wait at the marketplace, none is lost."),
        sentence("Go back to the platform and press CONNECT; stay in the same browser until the platform shows again."),
    ),
}
