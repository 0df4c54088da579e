"""Lists are walked by key: every row once and in order, and no URL breaks them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime, Integer, String, column, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from portal.addresses.models import Address
from portal.extensions import db
from portal.lists import PAGE_ROWS, Filter, Sort, View, Window, decoded_key, encoded_key, page_of, prefix
from tests.documents.builders import an_order, write
from tests.shipments.builders import a_platform

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
ID, AT, NAME = (
    column("id", Integer),
    column("at", DateTime(timezone=True)),
    column("name", String(collation="C")),
)
SORTS = (Sort("newest", (AT, ID), descending=True), Sort("name", (NAME, ID)), Sort("id", (ID,)))


def table_of(rows):
    """Rows as PostgreSQL sees a table of them."""
    ids, moments, names = (
        literal([row[name] for row in rows], ARRAY(kind.type))
        for name, kind in (("id", ID), ("at", AT), ("name", NAME))
    )
    return func.unnest(ids, moments, names).table_valued("id", "at", "name", name="things").render_derived()


@st.composite
def things(draw):
    """Rows with many ties: few moments and names for up to three pages and a bit."""
    number = draw(st.integers(0, 3 * PAGE_ROWS + 2))
    moments, names = draw(st.integers(1, 5)), draw(st.sampled_from(["a", "aä😀", "'\"&+ %", "x"]))
    shuffle = draw(st.integers(1, 97))
    return [
        {"id": id, "at": EPOCH + timedelta(microseconds=id * shuffle % moments), "name": names[: 1 + id % len(names)]}
        for id in range(1, number + 1)
    ]


def page_at(app, url, rows):
    with app.test_request_context(url):
        # Any endpoint serves as the list's own.
        view = View.of_request("documents.index", lambda values: SORTS)
        return page_of(
            view,
            lambda window: db.session.execute(window.on(select(ID, AT, NAME).select_from(table_of(rows)))).all(),
            lambda row: tuple(getattr(row, part.name) for part in view.sort.key),
            None,
        )


def walk(app, url, which, rows):
    """The pages from here on, by their links `next` or `previous`."""
    pages = [page_at(app, url, rows)]
    while following := getattr(pages[-1], which):
        assert len(pages) < 10
        pages.append(page_at(app, following, rows))
    return pages


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=things(), sort=st.sampled_from(["", "-newest", "newest", "name", "-name", "id", "-id"]))
@example(rows=[], sort="")
@example(rows=[{"id": id, "at": EPOCH, "name": "a"} for id in range(1, PAGE_ROWS + 1)], sort="")
@example(rows=[{"id": id, "at": EPOCH, "name": "a"} for id in range(1, PAGE_ROWS + 2)], sort="")
@example(rows=[{"id": id, "at": EPOCH, "name": "a"} for id in range(1, 2 * PAGE_ROWS + 1)], sort="name")
def test_walking_forward_and_back_visits_each_row_once_and_in_order(app, rows, sort):
    falls = sort.startswith("-") or not sort
    parts = {"newest": ("at", "id"), "name": ("name", "id"), "id": ("id",)}[sort.removeprefix("-") or "newest"]
    expected = [row["id"] for row in sorted(rows, key=lambda row: tuple(row[part] for part in parts), reverse=falls)]
    there = walk(app, f"/documents/?sort={sort}", "next", rows)
    assert [row.id for page in there for row in page] == expected
    assert all(len(page) == PAGE_ROWS for page in there[:-1])
    assert there[0].previous is None
    if len(there) == 1:
        return
    assert there[-1].previous is not None
    back = walk(app, there[-1].previous, "previous", rows)
    seen = [[row.id for row in page] for page in reversed([*back])] + [[row.id for row in there[-1]]]
    assert [id for page in seen for id in page] == expected
    assert all(page.next is not None for page in back)


def test_what_lay_before_may_have_shrunk_and_is_then_the_beginning(app):
    rows = [{"id": id, "at": EPOCH, "name": "a"} for id in range(1, 121)]
    _first, second, third = walk(app, "/documents/?sort=id", "next", rows)
    shown = page_at(app, third.previous, rows[60:])
    assert [row.id for row in shown] == list(range(61, 111))
    assert shown.previous is None
    empty = page_at(app, third.previous, [])
    assert (list(empty), empty.previous, empty.next) == ([], None, None)
    behind_the_end = page_at(app, second.next, [])
    assert (list(behind_the_end), behind_the_end.next) == ([], None)
    assert behind_the_end.previous == "/documents/?sort=id"


def test_a_url_keeps_filters_and_order_and_drops_the_place(app):
    filters = (Filter("q", "Search", str), Filter("state", "State", lambda text: text or None))
    with app.test_request_context("/documents/?q=a%26b&state=open&sort=name&after=WzFd"):
        view = View.of_request("documents.index", lambda values: SORTS, filters)
        assert view.url() == "/documents/?q=a%26b&state=open&sort=name"
        assert [chip.url_without for chip in view.chips] == [
            "/documents/?state=open&sort=name",
            "/documents/?q=a%26b&sort=name",
        ]
        assert view.sort_url("name") == "/documents/?q=a%26b&state=open&sort=-name"
        assert view.sort_url("newest") == "/documents/?q=a%26b&state=open"
        assert (view.aria_sort("name"), view.aria_sort("id")) == ("ascending", "none")


@given(
    st.tuples(
        st.datetimes(timezones=st.just(UTC)), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))
    ),
)
def test_a_key_survives_the_url(key):
    assert decoded_key(encoded_key(key), (AT, NAME)) == key


# A server takes a line of some 8,000 bytes; what lies a thousand deep is too deep already.
DEEP = 2_500
NO_KEYS = [
    "x",
    "%00",
    "💥",
    "W10",
    "bnVsbA",
    "[" * DEEP,
    base64.urlsafe_b64encode(b"[" * DEEP).decode(),
]
WRONG_KEYS = [
    base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
    for value in (
        [1],
        ["2026-01-01T00:00:00+00:00", 2**63],
        ["2026-01-01T00:00:00", 1],
        ["0001-01-01T00:00:00+14:00", 1],
        ["9999-12-31T23:59:59-14:00", 1],
        ["2026-13-01T00:00:00+00:00", 1],
        ["2026-01-01T00:00:00+00:00", True],
        ["2026-01-01T00:00:00+00:00", 1.5],
        ["2026-01-01T00:00:00+00:00", None],
        ["2026-01-01T00:00:00+00:00", {"a": 1}],
        ["\0"],
        ["\ud800"],
        ["SO1' OR 1=1 --"],
        [99, 1],
        [-(2**63), -(2**63)],
        [2**40, 1],
        ["a", 2**40],
        [1, "a", 2**40],
        ["2026-01-01", 2**40],
        {"a": 1},
    )
]
HOSTILE_VALUES = [
    "",
    " ",
    "\0",
    "'; DROP TABLE document; --",
    "%",
    "_",
    "\\",
    "\U0010ffff",
    "\ud7ff",
    "ſ" * 500,
    "٣",  # a digit that int() takes
    "²",
    "-1",
    "9" * 400,
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "20260101",
    "2026-W01-1",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "\u202e\u200b",
]
FRAGMENT = {"HX-Request": "true"}
# Every list that is read by a key of its own, with the orders it has.
LISTS = {
    "/documents/": ("", "-number", "ship_by"),
    "/held/": ("",),
    "/addresses/": ("", "name"),
    "/addresses/{address}": ("",),
    "/addresses/doubles": ("",),
    "/addresses/numbers": ("", "name"),
    "/shipments/": ("",),
    "/jobs/": ("",),
    "/masterdata/tax-rates/": ("", "from"),
    "/platforms/{platform}/articles": ("",),
    "/tasks/": ("", "next"),
    "/settings/users": ("",),
}


@pytest.fixture
def browser(as_tenant, make_tenant, client_of):
    """A tenant with a few rows in the lists."""

    merchant = make_tenant()
    with as_tenant(merchant):
        platform = a_platform(merchant)
        write(platform, *[an_order(f"028-{n}") for n in range(3)], an_order("028-9", total=None))
        ids = {"platform": platform.id, "address": db.session.scalars(select(Address.id)).first()}
    browser = client_of(merchant)
    browser.lists = {path.format(**ids): sorts for path, sorts in LISTS.items()}
    return browser


def test_no_place_in_the_url_breaks_a_list(browser):
    for path, sorts in browser.lists.items():
        for sort in sorts:
            for key in WRONG_KEYS:
                answer = browser.get(path, query_string={"after": key, "sort": sort}, headers=FRAGMENT)
                assert answer.status_code == 200, (path, key, sort)
    for key in (*NO_KEYS, *WRONG_KEYS):
        for name in ("after", "before"):
            answer = browser.get("/documents/", query_string={name: key}, headers=FRAGMENT)
            assert answer.status_code == 200, (name, key[:80])


def test_no_filter_or_order_in_the_url_breaks_a_list(browser):
    names = (
        "q",
        "state",
        "platform",
        "fulfilled_by",
        "since",
        "until",
        "sort",
        "service",
        "country",
        "role",
        "purpose",
    )
    asked = [(path, dict.fromkeys(names, value)) for path in browser.lists for value in HOSTILE_VALUES]
    # What is to be shipped is searched in a way of its own; to the other lists that state is as hostile as the rest.
    asked += [("/documents/", {"q": value, "state": "to_ship"}) for value in HOSTILE_VALUES]
    for path, query in asked:
        answer = browser.get(path, query_string=query, headers=FRAGMENT)
        assert answer.status_code == 200, (path, query)
        assert "<script>alert" not in answer.text


def test_a_repeated_parameter_and_an_unknown_one_do_no_harm(browser):
    assert browser.get("/documents/?state=open&state=shipped&after=&before=&x[]=1&%ff=%fe").status_code == 200


@pytest.mark.parametrize("start", ["a", "ab\U0010ffff", "\U0010ffff", "\ud7ff", "ä"])
def test_a_prefix_is_what_begins_so_and_nothing_else(app, start):
    names = [start, start + "a", start + "\U0010ffff", start[:-1], start[:-1] + "\u0001", "b", "", "\ue000", "ä", "Z"]
    things = select(column("name", String(collation="C"))).select_from(
        func.unnest(literal(names, ARRAY(String))).table_valued("name", name="things").render_derived()
    )
    with app.app_context():
        found = set(db.session.scalars(things.where(prefix(column("name", String(collation="C")), start))))
    assert found == {name for name in names if name.startswith(start)}


def test_pages_lead_to_each_other_through_the_app(browser, make_tenant):
    """The links of the real list, for one that fits on a page: there are none."""
    shown = browser.get("/documents/").text
    assert 'rel="next"' not in shown and 'rel="prev"' not in shown


def test_a_window_reads_one_row_more_than_it_shows():
    query = str(Window(SORTS[0], rows=9).on(select(ID)).compile(compile_kwargs={"literal_binds": True}))
    assert "LIMIT 10" in query
