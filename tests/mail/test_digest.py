"""Mails of alarms: when they come, that each comes once, and whom they reach. Times are moved in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from jobs import scheduler
from jobs.notices import tell
from jobs.queues import WORK, clear, waiting
from portal.automation import tasks
from portal.automation.kinds import Planned
from portal.automation.models import Schema, Service, Task
from portal.automation.triggers import Trigger, TriggerKind
from portal.extensions import db
from portal.notices import digest
from portal.notices.alarm import Alarm
from portal.notices.digest import to_tell
from portal.notices.models import Digest, ToldAlarm
from portal.sentences import kept, sentence
from tests.desk import Desk
from tests.mail.server import Post

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
FORM = {
    "recipients": "owner@example.com, clerk@example.com",
    "about_locked_task": "y",
    "about_missing_service": "y",
    "language": "en",
}


# Pure


def alarm(key, minutes_ago=5.0):
    return Alarm("locked_task", key, NOW - timedelta(minutes=minutes_ago), key, f"/{key}")


def told(*alarms, hours_ago=2.0):
    return {each.identity: NOW - timedelta(hours=hours_ago) for each in alarms}


A, B, JUST_NOW = alarm("a"), alarm("b"), alarm("c", 0.1)


@pytest.mark.parametrize(
    ("alarms", "known", "last_mail_hours", "telling"),
    [
        ([], {}, None, []),
        ([A, B], {}, None, [(A, True), (B, True)]),
        ([JUST_NOW], {}, None, []),  # the others of this moment are waited for
        ([JUST_NOW, A], {}, None, [(JUST_NOW, True), (A, True)]),
        ([A], told(A), 2, []),  # told, and not a day ago
        ([A, B], told(A), 2, [(B, True), (A, False)]),  # what is new first
        ([A, B], told(A, hours_ago=0.5), 0.5, []),  # one an hour
        ([A, B], told(A, hours_ago=1), 1, [(B, True), (A, False)]),
        ([A], told(A, hours_ago=23.9), 23.9, []),
        ([A], told(A, hours_ago=24), 24, [(A, False)]),
        ([A], told(A, hours_ago=24), 0.5, []),
        ([alarm("a", 4)], told(A), 2, [(alarm("a", 4), True)]),  # mended and stopped again
    ],
)
def test_when_a_mail_is_due(alarms, known, last_mail_hours, telling):
    last_mail = None if last_mail_hours is None else NOW - timedelta(hours=last_mail_hours)
    assert to_tell(NOW, alarms, known, last_mail) == telling


# With the database and a server


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant("Müller & Söhne"), client_of)


def lock(desk, name, minutes_ago=5.0):
    """A task that an error locked."""
    with desk.inside():
        schema = Schema(tenant_id=desk.merchant.tenant_id, name=name, area="platforms", scope={}, steps=[])
        db.session.add(schema)
        db.session.flush()
        task = Task()
        tasks.save(task, name, True, Trigger(TriggerKind.MANUAL), [Planned(schema.id)])
        task.locked_at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        task.lock_reason = kept(sentence("The task was begun %(times)s times.", times=5))
        db.session.commit()
        return task.id


def look(desk):
    with desk.app.app_context():
        tell(desk.merchant.tenant_id)


def hours_pass(desk, hours):
    """Everything that a mail's time depends on happened so much earlier."""
    with desk.inside():
        for table, columns in {
            "digest": ("written_at", "next_try_at", "sent_at"),
            "told_alarm": ("told_at",),
        }.items():
            moved = ", ".join(f"{column} = {column} - :by" for column in columns)
            db.session.execute(text(f"UPDATE {table} SET {moved}"), {"by": timedelta(hours=hours)})
        db.session.commit()


def test_one_mail_for_all_then_one_an_hour_then_one_a_day(desk, post: Post):
    desk.do("/settings/notifications", **FORM)
    first = lock(desk, "First")
    lock(desk, "Second")
    look(desk)
    look(desk)
    (mail,) = post.mails
    assert mail["Subject"] == "2 things wait for a person · Müller & Söhne"
    assert post.envelopes[0][1] == ["owner@example.com", "clerk@example.com"]
    told = mail.get_content()
    assert "- The task “First” is locked." in told and "The task was begun 5 times." in told
    assert f"/tasks/{first}\r\n" in told.replace("\n", "\r\n").replace("\r\r", "\r")
    assert "/settings/notifications" in told
    lock(desk, "Third")
    look(desk)
    assert len(post.mails) == 1, "not before the hour is over"
    hours_pass(desk, 1)
    look(desk)
    look(desk)
    assert len(post.mails) == 2
    second = post.mails[1].get_content()
    assert second.index("“Third”") < second.index("This waits still:") < second.index("“First”")
    hours_pass(desk, 20)
    look(desk)
    assert len(post.mails) == 2
    hours_pass(desk, 4)
    look(desk)
    assert len(post.mails) == 3 and "This has stopped" not in post.mails[2].get_content()
    desk.do(f"/tasks/{first}/unlocking")
    hours_pass(desk, 24)
    look(desk)
    assert "“First”" not in post.mails[3].get_content(), "what is mended is told no more"
    with desk.inside():
        assert db.session.query(ToldAlarm).count() == 2
    page = desk.open("/settings/notifications")
    assert len(page.rows) == 4 and all(row[3] == "Sent" for row in page.rows)


def test_a_worker_that_dies_after_the_server_took_it_repeats_that_one_mail(desk, post, monkeypatch):
    desk.do("/settings/notifications", **FORM)
    lock(desk, "Task")
    send = digest.mail.send

    def dies(*arguments):
        send(*arguments)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(digest.mail, "send", dies)
        with pytest.raises(SystemExit):
            look(desk)
    look(desk)
    assert len(post.mails) == 1, "marked before it was sent: nobody else sends it now"
    hours_pass(desk, 0.5)
    look(desk)
    hours_pass(desk, 0.5)
    look(desk)
    assert [mail["Message-ID"] for mail in post.mails] == [post.mails[0]["Message-ID"]] * 2


def test_what_the_server_refuses_is_tried_again_and_given_up_after_a_day(desk, post):
    desk.do("/settings/notifications", **FORM)
    lock(desk, "Task")
    post.at_data = ["451 later", "554 never"]
    look(desk)
    look(desk)
    assert len(post.at_data) == 1, "not at once"
    page = desk.open("/settings/notifications")
    assert page.rows[0][3] == f"Waits The mail server 127.0.0.1:{post.port} refuses the mail: 451 later"
    hours_pass(desk, 0.1)
    look(desk)
    hours_pass(desk, 0.1)
    look(desk)
    assert len(post.mails) == 1 and desk.open("/settings/notifications").rows[0][3] == "Sent"
    hours_pass(desk, 24)
    post.at_data = ["451 later"] * 2
    look(desk)
    with desk.inside():
        db.session.execute(text("UPDATE digest SET written_at = now() - interval '25 hours' WHERE sent_at IS NULL"))
        db.session.execute(text("UPDATE digest SET next_try_at = now() WHERE sent_at IS NULL"))
        db.session.commit()
        digest._send(db.session.scalar(select(Digest.id).where(Digest.sent_at.is_(None))))
    assert desk.open("/settings/notifications").rows[0][3].startswith("Given up")


def test_the_scheduler_has_only_those_looked_after_who_have_something(desk, make_tenant, client_of, post):
    quiet, untold, unasked = (Desk.of(desk.app, make_tenant(), client_of) for _ in range(3))
    for each in (desk, quiet):
        each.do("/settings/notifications", **FORM)
    unasked.do("/settings/notifications", recipients="owner@example.com", language="en")
    for each in (desk, untold, unasked):
        lock(each, "Task")

    def asked():
        with desk.app.app_context():
            clear(WORK)
            scheduler.tick()
            scheduler.tick()
            found = [job.ids[0] for job in waiting(WORK) if job.task == "jobs.notices.tell"]
            clear(WORK)
        with desk.inside():
            db.session.execute(text("UPDATE notice_settings SET next_look_at = now()"))
            db.session.commit()
        ids = [each.merchant.tenant_id for each in (desk, quiet, untold, unasked)]
        return [found.count(id) for id in ids]

    assert asked() == [1, 0, 0, 0]
    look(desk)
    assert asked() == [0, 0, 0, 0], "all is told"
    lock(desk, "Another")
    assert asked() == [1, 0, 0, 0]
    look(desk)
    hours_pass(desk, 24)
    look(desk)
    assert len(post.mails) == 2 and asked() == [0, 0, 0, 0]
    hours_pass(desk, 24)
    assert asked() == [1, 0, 0, 0], "to be reminded of it"


class TestPage:
    @pytest.mark.parametrize(
        ("typed", "field", "words"),
        [
            ({"recipients": "owner"}, "recipients", "“owner” is not"),
            ({"recipients": "a@b\r\nBcc: c@d"}, "recipients", "“Bcc:” is not"),
            ({"language": "fr"}, "language", "valid choice"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_its_field(self, desk, typed, field, words):
        page = desk.send("/settings/notifications", 422, **FORM | typed)
        assert words in page.error_of(field)

    def test_nobody_named_nobody_is_told(self, desk, post):
        desk.do("/settings/notifications", **FORM | {"language": "de"})
        assert desk.open("/settings/notifications").fields["language"] == "de"
        desk.do("/settings/notifications", **FORM | {"recipients": ""})
        lock(desk, "Task")
        look(desk)
        desk.do("/settings/notifications", recipients="owner@example.com", language="en")
        look(desk)
        desk.do("/settings/notifications", **FORM | {"recipients": ""})
        assert not post.mails
        assert "Nobody is told yet" in desk.do("/settings/notifications/test").words

    def test_a_test_says_what_came_of_it(self, desk, post):
        desk.do("/settings/notifications", **FORM)
        assert "has taken the test" in desk.do("/settings/notifications/test").words
        assert post.mails[0]["Subject"] == "Kontor’s e-mails arrive · Müller & Söhne"
        post.at_recipient = {"clerk@example.com": "550 unknown"}
        assert "does not take these addresses: clerk@example.com" in desk.do("/settings/notifications/test").words
        post.at_data = ["554 no"]
        assert "refuses the mail: 554 no" in desk.do("/settings/notifications/test").words

    def test_without_a_server_the_page_says_so(self, desk):
        page = desk.open("/settings/notifications")
        assert "has no mail server yet" in page.words and "Send a test e-mail" not in page.words


def test_every_page_says_what_is_locked_and_leads_to_it(desk):
    assert not desk.open("/documents/").all("div", class_="alarms")
    ids = [lock(desk, f"Task {number}", number) for number in range(5)]
    banner = desk.open("/documents/").one("div", class_="alarms")
    assert banner.attributes["role"] == "alert"
    assert banner.links == [f"/tasks/{id}" for id in ids[:3]], "the newest first"
    assert "The task “Task 0” is locked." in banner.words and "and 2 more" in banner.words
    for id in ids:
        desk.do(f"/tasks/{id}/unlocking")
    assert not desk.open("/documents/").all("div", class_="alarms")


def test_a_service_that_nobody_sees_is_told_and_stands_on_every_page(desk, post: Post):
    desk.do("/settings/notifications", **FORM)
    desk.do("/services/", name="Night", workers="1")

    def unseen(minutes):
        with desk.inside():
            service = db.session.scalars(select(Service)).one()
            service.watched_since = datetime.now(UTC) - timedelta(minutes=minutes)
            db.session.commit()

    def claimed():
        with desk.inside():
            found = db.session.scalars(text("SELECT * FROM portal_claim_digests(interval '1 second', 500)")).all()
            db.session.rollback()
            return desk.merchant.tenant_id in found

    unseen(2)
    look(desk)
    assert not claimed() and not post.mails and "is not seen" not in desk.open("/documents/").words
    unseen(4)
    assert claimed()
    look(desk)
    (mail,) = post.mails
    assert "The service “Night” is not seen" in mail.get_content()
    assert "/services/" in desk.open("/documents/").one("div", class_="alarms").links[0]
    assert not claimed(), "it was told"
