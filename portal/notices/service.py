"""Whom a tenant has told."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from portal import mail
from portal.extensions import db
from portal.notices.models import Digest, NoticeSettings
from portal.notices.registry import SOURCES
from portal.scope import current_tenant_id
from portal.tenants.models import Tenant

# How many of the latest mails the page shows.
MOST_DIGESTS = 10


def settings() -> NoticeSettings:
    """Those of the tenant in scope. Until somebody has said otherwise nobody is told, and would be of everything."""
    kept: NoticeSettings | None = db.session.get(NoticeSettings, current_tenant_id())
    return kept or NoticeSettings(tenant_id=current_tenant_id(), recipients=[], kinds=list(SOURCES))


def save(recipients: Sequence[str], kinds: Sequence[str], language: str) -> None:
    """Have these told from now on, of what there is already too, where no mail told of it before."""
    values = {
        "recipients": list(recipients),
        "kinds": list(kinds),
        "next_look_at": datetime.now(UTC) if recipients and kinds else None,
    }
    db.session.execute(
        insert(NoticeSettings)
        .values(tenant_id=current_tenant_id(), **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
    db.session.get_one(Tenant, current_tenant_id()).language = language
    db.session.flush()


def latest() -> Sequence[Digest]:
    """The latest mails, the newest first."""
    found: Sequence[Digest] = db.session.scalars(select(Digest).order_by(Digest.id.desc()).limit(MOST_DIGESTS)).all()
    return found


def send_test(recipients: Sequence[str]) -> tuple[str, ...]:
    """Send a mail that says that mails arrive; return the addresses refused. Raises Unavailable, Refused."""
    tenant = db.session.get_one(Tenant, current_tenant_id())
    with force_locale(tenant.language):
        return mail.send(
            recipients,
            _("Kontor’s e-mails arrive · %(tenant)s", tenant=tenant.name),
            _("This is a test. Kontor tells this address when something waits for a person.") + "\n",
            mail.message_id(f"test-{secrets.token_hex(8)}"),
        )
