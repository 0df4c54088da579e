"""The columns of the list of credentials."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.credentials.forms import KINDS
from portal.credentials.models import Credential
from portal.listings.columns import Column
from portal.presentation import ago, tone


def _result(credential: Credential) -> str:
    if credential.tested_at is None:
        return _("Not tested")
    return _("Refused") if credential.test_problem else _("Accepted")


def _last_test(credential: Credential) -> Markup:
    if credential.tested_at is None:
        return tone("off", _result(credential))
    word = tone("failed" if credential.test_problem else "done", _result(credential))
    return Markup("{} {}").format(word, ago(credential.tested_at))


COLUMNS = (
    Column("name", _l("Name"), lambda credential: credential.name, sort="name", heads=True),
    Column("kind", _l("Kind"), lambda credential: str(KINDS[credential.kind])),
    Column("address", _l("Cloud address"), lambda credential: credential.address, classes="text-break"),
    Column("client_id", _l("Client ID"), lambda credential: credential.client_id, classes="text-break"),
    Column(
        "last_test",
        _l("Last test"),
        _result,
        _last_test,
        beside=Column("tested", _l("Tested"), lambda credential: credential.tested_at),
    ),
)
