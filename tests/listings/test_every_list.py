"""One small piece of code serves every list: each has its heads, its search and its files."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from sqlalchemy import event, select

from portal.addresses.models import Address, NumberRange, Purpose
from portal.automation import runs, services, tasks
from portal.automation.kinds import Planned
from portal.automation.models import Schema, Service, Task, TaskRun
from portal.automation.triggers import Trigger, TriggerKind
from portal.documents.models import Document
from portal.extensions import db
from portal.listings import export
from portal.masterdata import articles, rates
from portal.masterdata.articles import Wares
from portal.platforms import assignments
from portal.platforms.models import Platform
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.listings.test_export import as_csv, as_xlsx

BUTTONS = {"Actions", "Copy"}  # columns that are nothing for a file


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


# Every list, and whether a merchant with a few orders has something in it.
LISTS = {
    "/documents/": True,
    "/held/": True,
    "/shipments/": False,
    "/shipments/carriers": True,
    "/addresses/": True,
    "/addresses/statuses": True,
    "/addresses/doubles": True,
    "/addresses/merges": False,
    "/addresses/numbers": True,
    "/addresses/numbers/{range}/ledger": True,
    "/addresses/{address}": True,
    "/masterdata/payment-methods/": True,
    "/masterdata/tax-codes/": True,
    "/masterdata/tax-rates/": True,
    "/platforms/": True,
    "/platforms/{platform}/articles": True,
    "/credentials/": True,
    "/jobs/": False,
    "/actions/": True,
    "/settings/users": True,
    "/services/": True,
    "/tasks/": True,
}

# Of lists that share their code: how each is sorted, and what its filters leave, by the first column. `{name}` is
# a value of the merchant's.
NARROWED = {
    "/addresses/numbers": (
        ("purpose", "name"),
        {"q=ord": ["Sales orders"], "q=of": [], "purpose=invoice": ["Invoices"]},
    ),
    "/addresses/doubles": (
        ("number",),
        {
            "q={first}": ["{third}", "{second}"],
            "q={second}": ["{second}"],
            "q=käthe": ["{third}", "{second}"],
            "q={third}": ["{third}"],
            "q=x": [],
        },
    ),
    "/addresses/{address}": (
        ("date",),
        {"q=028-1": ["{document}"], "q={document}": ["{document}"], "q=028": [], "q=028-2": []},
    ),
    "/masterdata/tax-rates/": (
        ("country", "from"),
        {
            "q=GERM": ["Germany"] * 2,
            "q=fi 25.5": ["Finland"],
            "country=FI&q=germ": [],
            "q=fi 24&state=past": ["Finland"],
            "q=fi 24&state=present": [],
            "q=de 19&state=past": [],
            "q=de 19&state=present": ["Germany"],
            "q=de&state=coming": [],
        },
    ),
    "/platforms/{platform}/articles": (
        ("sku",),
        {"q=S-": ["S-1", "S-2"], "q=S-2": ["S-2"], "q=A-1": ["S-1"], "q=table": ["S-2", "T-3"], "q=_": []},
    ),
    "/services/": (("name",), {"q=NIGHT": ["Night"], "q=%": []}),
    "/settings/users": (
        ("name", "email"),
        {"q=olga": ["Olga Owner"], "q=carl@": ["Carl Clerk"], "role=admin": ["Olga Owner"], "role=operator": []},
    ),
    "/tasks/": (
        ("name", "next"),
        {
            "q=eve": ["Evening"],
            "service={night}": ["Evening"],
            "state=locked": ["Evening"],
            "state=off": ["Noon"],
            "state=on": ["Morning"],
            "state=on&service={night}": [],
        },
    ),
}


def a_merchant_with_something_everywhere(desk):
    """Three customers of one name and place, an order that is held, runs, tasks and so on; what paths name."""
    desk.take(*(an_order(f"028-{n}", buyer_reference=f"b-{n}") for n in (1, 2, 4)), an_order("028-3", total=None))
    desk.take(an_order("028-5", buyer_reference="b-1"))
    desk.do("/actions/schemas", name="Each", area="platforms", kind="all", presets="refresh")
    desk.do("/actions/assistant", area="platforms", kind="all", presets="refresh")
    desk.send("/settings/users", 200, name="Carl Clerk", email=f"carl@{desk.merchant.client_id}", role="clerk")
    with desk.inside():
        rates.take_over({"DE", "FI"})
        articles.write([Wares("A-1", "Lamp"), Wares("A-2", "Table")])
        platform = db.session.scalars(select(Platform)).one()
        assignments.write(platform, {"S-1": "A-1", "S-2": "A-2", "T-3": "A-2"})
        first, second, third = db.session.scalars(select(Address).order_by(Address.id))
        document = db.session.scalars(select(Document).where(Document.order_id == "028-1")).one()
        night = services.first()
        night.name = "Night"
        day = Service(tenant_id=night.tenant_id, name="Day")
        each = [Planned(db.session.scalars(select(Schema.id)).one())]
        for name, of in (("Morning", day), ("Noon", day), ("Evening", night)):
            task = Task()
            tasks.save(task, name, name != "Noon", Trigger(TriggerKind.DAILY, (time(8),)), each, of)
            task.locked_at = datetime.now(UTC) if name == "Evening" else None
        found = {
            "range": db.session.scalars(select(NumberRange.id).where(NumberRange.purpose == Purpose.ORDER)).one(),
            "platform": platform.id,
            "night": night.id,
            "address": first.id,
            "document": document.number,
            "first": first.number,
            "second": second.number,
            "third": third.number,
        }
        db.session.commit()
        return found


def test_every_list_writes_as_many_cells_as_heads_and_takes_them_along(desk):
    found = a_merchant_with_something_everywhere(desk)
    for path, filled in LISTS.items():
        path = path.format(**found)
        page = desk.open(path)
        shown = [head.words for head in page.all("th", scope="col")]
        assert {len(row) for row in page.rows} == ({len(shown)} if filled else set()), path
        for lines in (as_csv(desk, path), as_xlsx(desk, path)) if filled else ():
            assert [label for label in lines[0] if label in shown] == [each for each in shown if each not in BUTTONS]
            assert len(lines) > len(page.rows), path


def test_a_small_list_is_searched_and_sorted(desk):
    names = [row[0] for row in desk.open("/shipments/carriers").rows]
    assert names == sorted(names) and "DHL" in names
    found = [row[0] for row in desk.open("/shipments/carriers", q="dhl e", htmx=True).rows]
    assert found == ["DHL Express"]
    assert [row[0] for row in desk.open("/shipments/carriers", sort="-name").rows] == names[::-1]
    page = desk.open("/shipments/carriers", q="100%_")
    assert "Nothing matches" in page.words and page.link("Clear all") == "/shipments/carriers"


def test_platforms_and_credentials_are_searched(desk):
    desk.platform("Amazon DE")
    desk.platform("Zweitkonto", None)

    def shown(path, **query):
        return [row[1] if path == "/platforms/" else row[0] for row in desk.open(path, **query).rows]

    assert shown("/platforms/", q="KONTO") == ["Zweitkonto"] and shown("/platforms/", q="100%") == []
    assert shown("/platforms/", sort="-name") == ["Zweitkonto", "Amazon DE"]
    assert shown("/platforms/", connection="revoked") == []
    assert shown("/platforms/", connection="not_authenticated") == ["Amazon DE", "Zweitkonto"]
    (name,) = shown("/credentials/")
    assert shown("/credentials/", q=desk.merchant.client_id) == [name] and shown("/credentials/", q="_%") == []


def test_lists_are_narrowed_and_walked_by_their_keys_in_every_order(desk, monkeypatch):
    found = a_merchant_with_something_everywhere(desk)
    for path, (sorts, narrowed) in NARROWED.items():
        path = path.format(**found)
        for query, expected in narrowed.items():
            page = desk.open(f"{path}?{query.format(**found)}", htmx=True)
            assert [row[0] for row in page.rows] == [name.format(**found) for name in expected], (path, query)
            assert page.link("Clear all") == path and page.all("a", class_="chip"), "what is set can be taken out"
        monkeypatch.setattr(export, "ROWS_AT_ONCE", 1)
        for sort in sorts:
            there, back = (as_csv(desk, path, sort=order)[1:] for order in (sort, f"-{sort}"))
            assert back == there[::-1] and len(there) > 1, (path, sort)
            shown = [row[0] for row in desk.open(path, sort=sort).rows]
            assert [line[0] for line in there][: len(shown)] == shown, (path, sort)
        monkeypatch.undo()


def test_a_page_of_many_costs_the_statements_of_a_page_of_few(desk):
    found = a_merchant_with_something_everywhere(desk)
    paths = [path.format(**found) for path in NARROWED]
    statements: list[str] = []

    def note(*call):
        statements.append(call[2])

    def cost(path):
        statements.clear()
        desk.open(path)
        return len(statements)

    with desk.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        few = {path: cost(path) for path in paths}
        with desk.inside():
            platform = db.session.scalars(select(Platform)).one()
            assignments.write(platform, {f"S-{n}": "A-1" for n in range(20)})
            for number_range in db.session.scalars(select(NumberRange).where(NumberRange.purpose != Purpose.ADDRESS)):
                number_range.prefix, number_range.yearly = number_range.purpose[0].upper() + "{YYYY}", True
            each = [Planned(db.session.scalars(select(Schema.id)).one())]
            for n in range(5):
                one = Service(tenant_id=desk.merchant.tenant_id, name=f"Service {n}")
                tasks.save(Task(), f"Task {n}", True, Trigger(TriggerKind.MANUAL), each, one)
            db.session.commit()
        desk.take(*(an_order(f"029-{n}", buyer_reference="b-1") for n in range(5)))
        assert {path: cost(path) for path in paths} == few
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_what_ran_is_found_by_its_number_and_by_whose_it_is(desk):
    found = a_merchant_with_something_everywhere(desk)
    ticks = desk.open("/tasks/").ticks
    desk.do("/tasks/selection", action="run", id=[ticks["Morning"], ticks["Noon"]])
    with desk.inside():
        schema = db.session.scalars(select(Schema.id)).one()
        started = [runs.start_fetch(db.session.get_one(Platform, found["platform"]), "schedule") for _ in range(2)]
        fetches = sorted({run.id for run in started})
        first, _ = db.session.scalars(select(TaskRun.id).order_by(TaskRun.id))
        db.session.commit()
    desk.do(f"/actions/schemas/{schema}/runs")
    by_hand, of_schema = sorted(int(row[0]) for row in desk.open("/actions/").rows)

    def numbers(path, **query):
        return [int(row[0]) for row in desk.open(path, **query).rows]

    assert numbers("/jobs/", q=str(fetches[0])) == [fetches[0]] and numbers("/jobs/", q="x") == []
    assert numbers("/jobs/", state="queued") == fetches[::-1] and numbers("/jobs/", state="failed") == []
    assert numbers("/actions/", q="EACH") == [of_schema] and numbers("/actions/", q=str(by_hand)) == [by_hand]
    assert numbers("/actions/", area="documents") == []
    assert numbers("/tasks/runs/", q=str(first)) == [first] and numbers("/tasks/runs/", cause="schedule") == []
    assert numbers("/tasks/runs/", until="2001-01-01") == [] and len(numbers("/tasks/runs/", since="2001-01-01")) == 2
