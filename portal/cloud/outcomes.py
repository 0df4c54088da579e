"""How connecting a platform can end, in codes for programs and in words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString


class Outcome(StrEnum):
    """How connecting ended. The codes are part of the API."""

    AUTHENTICATED = "authenticated"
    REFUSED = "refused"
    EXPIRED = "expired"
    REPLAYED = "replayed"
    FOREIGN_SELLER = "foreign_seller"
    CODE_REFUSED = "code_refused"
    UNAVAILABLE = "unavailable"
    LOST_STATE = "lost_state"


class Words(NamedTuple):
    """What happened, what it means for the orders, what to do."""

    happened: LazyString
    means: LazyString
    to_do: LazyString


WORDS: dict[Outcome, Words] = {
    Outcome.AUTHENTICATED: Words(
        _l("The platform is connected."),
        _l("Its orders are being collected now."),
        _l("There is nothing left to do."),
    ),
    Outcome.REFUSED: Words(
        _l("The marketplace reports that consent was refused."),
        _l("The platform is as it was before. No orders are collected by this attempt, and none is lost."),
        _l("Press CONNECT again and give your consent."),
    ),
    Outcome.EXPIRED: Words(
        _l("Connecting took longer than 15 minutes."),
        _l("For safety the attempt has ended. Orders wait at the marketplace, none is lost."),
        _l("Press CONNECT again; the marketplace will ask once more."),
    ),
    Outcome.REPLAYED: Words(
        _l("This answer of the marketplace has been used before."),
        _l("Nothing was changed by opening it again."),
        _l("Look at the platform: if it is not connected, press CONNECT again."),
    ),
    Outcome.FOREIGN_SELLER: Words(
        _l("You signed in to the marketplace as another seller than the one this platform belongs to."),
        _l("The platform keeps its seller and its orders; those of the other seller are not collected."),
        _l("Press CONNECT again and sign in as the platform's seller, or create a platform of its own for the other."),
    ),
    Outcome.CODE_REFUSED: Words(
        _l("The marketplace did not accept the code that it gave your browser. It lives five minutes only."),
        _l("The platform is not connected by this attempt. Orders wait at the marketplace, none is lost."),
        _l("Press CONNECT again."),
    ),
    Outcome.UNAVAILABLE: Words(
        _l("The marketplace did not answer, or does not let this installation in."),
        _l("The platform is not connected by this attempt. Orders wait at the marketplace, none is lost."),
        _l("Press CONNECT again in a few minutes. If it goes on, tell who runs this installation."),
    ),
    Outcome.LOST_STATE: Words(
        _l("This address belongs to no attempt to connect that was begun in this browser."),
        _l("Nothing was changed. Orders wait at the marketplace, none is lost."),
        _l("Go back to the platform and press CONNECT; stay in the same browser until the platform shows again."),
    ),
}
