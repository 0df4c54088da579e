"""Mails of alarms: when one is due (pure), written down before it is sent, and sent once as far as SMTP allows.

One mail tells of all there are. The first comes as soon as those of the same moment are gathered, further ones at
most once an hour while new alarms come, and a reminder once a day while one is not mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from babel import dates
from flask import current_app
from flask_babel import force_locale, get_locale, ngettext
from flask_babel import gettext as _
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from portal import mail
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.links import address_of_page
from portal.notices.alarm import Alarm, Identity
from portal.notices.models import Digest, NoticeSettings, ToldAlarm
from portal.notices.registry import SOURCES
from portal.scope import current_tenant_id
from portal.sentences import kept, say
from portal.tenants.models import Tenant

log = structlog.get_logger()

# What stops for one reason stops at about the same time: that is one mail.
GATHERED_FOR = timedelta(seconds=40)
AT_MOST_EVERY = timedelta(hours=1)
REMINDED_AFTER = timedelta(days=1)
# A mail that the server does not take, for whatever reason: whoever runs it may put that right.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=2), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)
KEPT_FOR = timedelta(days=90)


def to_tell(
    now: datetime, alarms: Sequence[Alarm], told: Mapping[Identity, datetime], last_mail: datetime | None
) -> list[tuple[Alarm, bool]]:
    """What a mail would tell now, each with whether it is new; nothing while none is due. Pure.

    `told` says when each alarm was mailed last.
    """
    fresh = [alarm for alarm in alarms if alarm.identity not in told]
    reminded = any(now - told[alarm.identity] >= REMINDED_AFTER for alarm in alarms if alarm.identity in told)
    gathered = any(now - alarm.since >= GATHERED_FOR for alarm in fresh)
    if not (gathered or reminded) or (last_mail is not None and now - last_mail < AT_MOST_EVERY):
        return []
    return [(alarm, alarm.identity not in told) for alarm in sorted(alarms, key=lambda each: each.identity in told)]


def tell() -> None:
    """Look at what asks for a person, and send the mails that are due. Commits before and after each is sent."""
    _write(datetime.now(UTC))
    db.session.commit()
    due = select(Digest.id).where(Digest.next_try_at <= func.now()).order_by(Digest.id)
    for id in db.session.scalars(due).all():
        _send(id)


def text_of(digest: Digest, tenant: Tenant) -> str:
    """The text of the mail, in the language in force."""
    zone = ZoneInfo(tenant.time_zone)
    lines = []
    for is_new, head in ((True, _("This has stopped and waits for a person:")), (False, _("This waits still:"))):
        of_kind = [alarm for alarm in digest.alarms if alarm["is_new"] == is_new]
        if of_kind:
            lines += [head, ""]
        for alarm in of_kind:
            lines += [f"- {say(alarm['words'])}", f"  {_since(alarm['since'], zone)}"]
            lines += [f"  {say(alarm['detail'])}"] if alarm["detail"] else []
            lines += [f"  {current_app.config['PUBLIC_URL']}{alarm['link']}", ""]
    lines.append(_("Who gets these mails: %(address)s", address=address_of_page("notices.edit")))
    return "\n".join(lines) + "\n"


def subject_of(digest: Digest, tenant: Tenant) -> str:
    count = len(digest.alarms)
    said = ngettext("%(num)d thing waits for a person", "%(num)d things wait for a person", count)
    return f"{said} · {tenant.name}"


def _write(now: datetime) -> None:
    """Write down a mail if one is due, and whom of what it tells. The tenant's row lets one worker through."""
    own = select(NoticeSettings).where(NoticeSettings.tenant_id == current_tenant_id())
    settings: NoticeSettings | None = db.session.scalar(own.with_for_update(skip_locked=True))
    if settings is None or not settings.recipients or not mail.is_set_up():
        return
    alarms = [alarm for kind, source in SOURCES.items() if kind in settings.kinds for alarm in source.alarms()]
    told = {(row.kind, row.key, row.since): row.told_at for row in db.session.scalars(select(ToldAlarm))}
    last_mail = db.session.scalar(select(func.max(Digest.written_at)))
    telling = to_tell(now, alarms, told, last_mail)
    if not telling:
        return
    db.session.execute(delete(ToldAlarm))  # what is over goes with them; no other tenant's is in sight
    db.session.execute(
        insert(ToldAlarm),
        [
            {"tenant_id": settings.tenant_id, "kind": kind, "key": key, "since": since, "told_at": now}
            for kind, key, since in (alarm.identity for alarm, _is_new in telling)
        ],
    )
    db.session.execute(delete(Digest).where(Digest.written_at < now - KEPT_FOR))
    db.session.add(
        Digest(
            tenant_id=settings.tenant_id,
            recipients=settings.recipients,
            alarms=[_as_json(alarm, is_new) for alarm, is_new in telling],
            written_at=now,
            next_try_at=now,
        )
    )


def _send(id: int) -> None:
    """Send a mail that is due, under the same Message-ID each time. Of two workers one does."""
    seen = db.session.get(Digest, id, populate_existing=True)
    if seen is None or seen.next_try_at is None:
        return
    pause = min(FIRST_PAUSE * 2**seen.attempts, LONGEST_PAUSE)
    claimed = db.session.execute(
        update(Digest)
        .where(Digest.id == id, Digest.attempts == seen.attempts, Digest.next_try_at <= func.now())
        .values(attempts=seen.attempts + 1, next_try_at=func.now() + pause)
    )
    if not claimed.rowcount:
        return
    tenant = db.session.get_one(Tenant, seen.tenant_id)
    with force_locale(tenant.language):
        subject, text = subject_of(seen, tenant), text_of(seen, tenant)
        recipients, written_at = seen.recipients, seen.written_at
        db.session.commit()  # marked as tried before it is: killed now, it is sent once more when the pause is over
        values: dict[str, Any] = {"sent_at": func.now(), "next_try_at": None, "problem": None}
        try:
            mail.send(recipients, subject, text, mail.message_id(f"digest-{id}"))
        except (Refused, Unavailable) as problem:
            values = {"problem": kept(problem)}
            if datetime.now(UTC) - written_at > GIVEN_UP_AFTER:
                values["next_try_at"] = None
    db.session.execute(update(Digest).where(Digest.id == id).values(**values))
    db.session.commit()
    log.info("digest_tried", digest=id, sent="sent_at" in values)


def _as_json(alarm: Alarm, is_new: bool) -> dict[str, Any]:
    return {
        "words": kept(alarm.words),
        "detail": kept(alarm.detail),
        "link": alarm.link,
        "since": alarm.since.isoformat(),
        "is_new": is_new,
    }


def _since(at: str, zone: ZoneInfo) -> str:
    moment = dates.format_datetime(datetime.fromisoformat(at), "medium", zone, str(get_locale() or "en"))
    return _("since %(moment)s", moment=moment)
