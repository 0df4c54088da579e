"""Actions of a task that tell somebody: status e-mails and webhooks, over real sockets."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from jobs.tasks import run_task
from portal.automation import deliveries
from portal.automation.models import Delivery, RunState, Task, TaskAction, TaskRun
from portal.config import networks
from portal.extensions import db
from portal.secrets import unseal
from portal.signing import signature
from portal.tenants.models import Tenant
from tests.automation.test_tasks import FORM, make_schema
from tests.cloud.api.receiver import receiving
from tests.desk import Desk
from tests.mail.conftest import post as post
from tests.reading import Element

SECRET = "shared-with-the-receiver"
OWNER = "owner@example.com"


@pytest.fixture
def desk(app, make_tenant, client_of, monkeypatch):
    monkeypatch.setattr(deliveries, "PAUSES", (0.0, 0.0))
    return Desk.of(app, make_tenant("Müller & Söhne"), client_of)


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def actions(*rows):
    """The fields of these actions in a form."""
    fields = {}
    for number, row in enumerate(rows):
        fields |= {f"{name}-{number}": value for name, value in row.items()}
    return fields


def schema(id, condition="always"):
    return {"kinds": "schema", "schemas": id, "conditions": condition}


def email(to=OWNER, condition="always", name=""):
    return {"kinds": "email", "recipients": to, "conditions": condition, "names": name}


def webhook(url, condition="always", secret=SECRET):
    return {"kinds": "webhook", "urls": url, "secrets": secret, "conditions": condition}


def task_with(desk, *rows):
    desk.do("/tasks/", **FORM | {"kind": "manual"} | actions(*rows))
    with desk.inside():
        return db.session.scalars(select(Task.id)).one()


def run(desk, task):
    desk.do(f"/tasks/{task}/runs")
    with desk.inside():
        run = db.session.scalars(select(TaskRun).order_by(TaskRun.id.desc())).first()
    with desk.app.app_context():
        run_task(run.tenant_id, run.id)
    with desk.inside():
        return db.session.get_one(TaskRun, run.id)


def fails(desk):
    """A schema that ends with an error: a platform that the cloud does not know."""
    desk.platform("Amazon Ä", reference=None)
    return make_schema(desk, "Download", ["download"])


class TestEmail:
    def test_an_error_is_told_and_locks_the_task_as_ever(self, desk, post):
        task = task_with(
            desk,
            schema(fails(desk)),
            email(f"{OWNER}; clerk@example.com {OWNER}", "errors", "Tell the boss"),
            email("nobody@example.com", "warnings"),
        )
        ended = run(desk, task)
        assert (ended.state, ended.processed, ended.warnings, ended.errors) == (RunState.FAILED, 1, 0, 1)
        (mail,) = post.mails
        assert mail["To"] == f"{OWNER}, clerk@example.com"
        assert mail["Subject"] == "Morning: errors · Müller & Söhne"
        assert mail["Message-ID"].startswith(f"<task-run-{ended.id}-2@")
        told = mail.get_content()
        assert f"/tasks/runs/{ended.id}" in told and "0 processed, 0 warnings, 1 error" in told
        assert "1. Download: 0 processed, 0 warnings, 1 error" in told and "Error · Amazon Ä: " in told
        assert "The task is locked when this run ends" in told
        listed = desk.open(f"/tasks/runs/{ended.id}").all("ol")[0]
        done = [action.words for action in listed.inside if isinstance(action, Element)]
        assert done[1].startswith("Status e-mail: Tell the boss Done")
        assert done[2] == "Status e-mail: nobody@example.com left out (if there were warnings)"

    def test_it_is_in_the_tenants_language_and_by_its_clock(self, desk, post):
        with desk.inside():
            db.session.get_one(Tenant, desk.merchant.tenant_id).language = "de"
            db.session.commit()
        run(desk, task_with(desk, email()))
        assert post.mails[0]["Subject"] == "Morning: erledigt · Müller & Söhne"
        assert "0 verarbeitet, 0 Warnungen, 0 Fehler" in post.mails[0].get_content()

    def test_what_cannot_be_sent_is_a_warning_and_no_lock(self, desk, post):
        post.at_data = ["451 later"] * 3
        ended = run(desk, task_with(desk, email(), email(condition="warnings"), email(condition="ran")))
        assert (ended.state, ended.processed, ended.warnings, ended.errors) == (RunState.DONE, 2, 1, 0)
        assert len(post.mails) == 2, "those after it told of it"
        assert "1. owner@example.com: 0 processed, 1 warning, 0 errors. The mail server" in post.mails[0].get_content()
        page = desk.open(f"/tasks/runs/{ended.id}")
        assert "Not delivered" in page.words and "refuses the mail: 451 later" in page.words
        with desk.inside():
            assert db.session.scalars(select(Delivery.attempts).order_by(Delivery.position)).all() == [3, 1, 1]

    def test_one_address_refused_is_said_and_the_others_are_told(self, desk, post):
        post.at_recipient = {"gone@example.com": "550 unknown"}
        ended = run(desk, task_with(desk, email(f"{OWNER}, gone@example.com")))
        assert (ended.processed, ended.warnings, ended.errors) == (1, 1, 0)
        assert "gone@example.com" in desk.open(f"/tasks/runs/{ended.id}").words

    def test_without_a_mail_server_the_run_says_so(self, desk):
        ended = run(desk, task_with(desk, email()))
        assert (ended.state, ended.warnings) == (RunState.DONE, 1)
        assert "KONTOR_SMTP_URL" in desk.open(f"/tasks/runs/{ended.id}").words


class TestWebhook:
    def test_it_is_called_signed_with_what_came_of_the_run(self, desk, receiver):
        ended = run(desk, task_with(desk, schema(fails(desk)), webhook(f"{receiver.url}?a=b", "errors")))
        (call,) = receiver.calls
        at = int(call.headers["Kontor-Signature"].partition(",")[0].removeprefix("t="))
        assert abs(at - time.time()) < 60 and call.headers["Kontor-Signature"] == signature(SECRET, call.body, at)
        assert call.path.endswith("/kontor?a=b") and call.headers["Content-Type"] == "application/json"
        body = call.json
        assert body["id"] == call.headers["Idempotency-Key"] == f"task-run-{ended.id}-2"
        assert body["state"] == "errors" and body["counts"] == {"processed": 0, "warnings": 0, "errors": 1}
        assert body["task"]["name"] == "Morning" and body["run"]["url"].endswith(f"/tasks/runs/{ended.id}")
        (done,) = body["actions"]
        assert (done["position"], done["kind"], done["name"], done["errors"]) == (1, "schema", "Download", 1)
        assert body["messages"][0]["severity"] == "error" and body["messages"][0]["record"] == "Amazon Ä"

    @pytest.mark.parametrize(
        ("answers", "calls", "warnings", "words"),
        [
            ([500, None], 3, 0, "Done"),
            ([503, 429, 500], 3, 1, "has a fault or is busy (status 500)"),
            ([404], 1, 1, "refuses the call (status 404)"),
            ([(302, "http://127.0.0.1:9/")], 1, 1, "refuses the call (status 302)"),
        ],
    )
    def test_it_is_tried_a_few_times_under_one_id(self, desk, receiver, answers, calls, warnings, words):
        receiver.in_line.extend(answers)
        ended = run(desk, task_with(desk, webhook(receiver.url)))
        assert len(receiver.calls) == calls and len({call.json["id"] for call in receiver.calls}) == 1
        assert (ended.state, ended.warnings, ended.processed) == (RunState.DONE, warnings, 1 - warnings)
        assert words in desk.open(f"/tasks/runs/{ended.id}").words

    def test_nobody_there_is_a_warning(self, desk):
        ended = run(desk, task_with(desk, webhook("http://127.0.0.1:9/")))
        assert (ended.state, ended.warnings) == (RunState.DONE, 1)
        assert "127.0.0.1:9 is not reachable" in desk.open(f"/tasks/runs/{ended.id}").words

    def test_taken_out_meanwhile_it_is_not_called(self, desk, receiver):
        task = task_with(desk, webhook(receiver.url))
        desk.do(f"/tasks/{task}/runs")
        desk.do(f"/tasks/{task}/edit", **FORM | {"kind": "manual"} | actions(email()))
        with desk.inside():
            run = db.session.scalars(select(TaskRun)).one()
        with desk.app.app_context():
            run_task(run.tenant_id, run.id)
        assert not receiver.calls and "was changed while" in desk.open(f"/tasks/runs/{run.id}").words


class TestForm:
    def test_what_is_typed_comes_back_but_for_the_secret(self, desk):
        task = task_with(desk, email(f"{OWNER};b@example.com", "errors", "Boss"), webhook("https://example.com/x?y=1"))
        page = desk.open(f"/tasks/{task}/edit")
        kept = page.fields
        assert (kept["kinds-0"], kept["names-0"], kept["recipients-0"]) == ("email", "Boss", f"{OWNER}, b@example.com")
        assert (kept["urls-1"], kept["secrets-1"], kept["conditions-0"]) == ("https://example.com/x?y=1", "", "errors")
        assert SECRET not in page.words
        desk.do(f"/tasks/{task}/edit", **kept)
        with desk.inside():
            action = db.session.get_one(TaskAction, (task, 1))
            assert unseal(action.secret, action.secret_place) == SECRET, "left empty it stays"
        desk.do(f"/tasks/{task}/edit", **kept | {"secrets-1": SECRET[::-1]})
        with desk.inside():
            action = db.session.get_one(TaskAction, (task, 1))
            assert unseal(action.secret, action.secret_place) == SECRET[::-1]
        grid = desk.open(f"/tasks/{task}").grid["What"]
        assert grid == "Status e-mail: Boss if there were errors Webhook: example.com"

    @pytest.mark.parametrize(
        ("row", "field", "words"),
        [
            (email(""), "recipients", "at least one address"),
            (email("owner"), "recipients", "“owner” is not"),
            (email("a@b.de, <c@d.de>"), "recipients", "“<c@d.de>” is not"),
            (email(" ".join(f"a{n}@example.com" for n in range(11))), "recipients", "more than 10"),
            (webhook("example.com/x"), "urls", "begins with https://"),
            (webhook("http://example.com/x"), "urls", "begins with https://"),
            (webhook("http://93.184.216.34/x"), "urls", "begins with https://"),
            (webhook("https://user:password@example.com/"), "urls", "no user name"),
            (webhook("https://example.com/x#y"), "urls", "no user name"),
            (webhook("https://example.com/x?a b"), "urls", "no spaces"),
            (webhook(f"https://example.com/{'x' * 500}"), "urls", "longer"),
            (webhook("https://example.com/x", secret=""), "secrets", "needs a secret"),
            (webhook("https://example.com/x", secret="short"), "secrets", "16 to 200"),
            (webhook("https://example.com/x", secret="not only ascii: äöü"), "secrets", "16 to 200"),
            ({"kinds": "pigeon"}, "kinds", "valid choice"),
            ({"kinds": "schema", "schemas": "0", "names": "n" * 61}, "names", "60"),
            ({"kinds": "schema", "schemas": "0", "names": "Boss"}, "schemas", "Say what"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_its_field_and_kept(self, desk, row, field, words):
        typed = FORM | actions(schema(make_schema(desk)), row)
        page = desk.send("/tasks/", 422, **typed)
        assert words in page.error_of(f"{field}-1")
        shown = page.fields
        assert all(shown[f"{name}-1"] == value for name, value in row.items() if name not in ("secrets", "kinds"))
        with desk.inside():
            assert db.session.scalar(select(Task)) is None

    @pytest.mark.parametrize(
        "url", ["http://localhost:5678/x", "http://n8n/x/", "http://192.168.0.7/x", "https://a.b/c/"]
    )
    def test_plain_http_is_for_ones_own_network(self, desk, app, monkeypatch, url):
        monkeypatch.setitem(app.config, "PRIVATE_NETWORKS", networks("127.0.0.0/8, 192.168.0.0/24"))
        task = task_with(desk, webhook(url))
        assert desk.open(f"/tasks/{task}/edit").fields["urls-0"] == url

    def test_what_stands_in_the_fields_of_another_kind_counts_for_nothing(self, desk):
        row = {"kinds": "email", "recipients": OWNER, "schemas": "2000000000", "urls": "x", "secrets": "y"}
        task = task_with(desk, row | {"conditions": "always"})
        with desk.inside():
            action = db.session.scalars(select(TaskAction).where(TaskAction.task_id == task)).one()
            assert (action.settings, action.schema_id, action.secret) == ({"recipients": [OWNER]}, None, None)


def test_a_run_planned_before_there_were_kinds_is_done(desk):
    task = task_with(desk, schema(make_schema(desk)))
    desk.do(f"/tasks/{task}/runs")
    with desk.inside():
        run = db.session.scalars(select(TaskRun)).one()
        run.plan = [{"schema": run.plan[0]["schema"], "condition": "always"}]
        id = run.id
        db.session.commit()
    with desk.app.app_context():
        run_task(desk.merchant.tenant_id, id)
    page = desk.open(f"/tasks/runs/{id}")
    assert "Refresh all Done" in page.words
