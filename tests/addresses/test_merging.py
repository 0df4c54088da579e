"""Two addresses of one customer become one, and two again; doubles are found, and what is none is said once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal.addresses import doubles, merging
from portal.addresses.models import Address, AddressApart, AddressReference
from portal.documents import intake
from portal.documents.models import Document
from portal.extensions import db
from portal.scope import tenant
from tests.addresses.test_matching import a_buyer, wait_for_somebody_who_waits
from tests.desk import Desk
from tests.documents.builders import EPOCH, an_order, planned, write
from tests.reading import read
from tests.shipments.builders import a_platform


def buyers(*names, **more):
    """An order of each, who have nothing in common but what is said."""
    return [
        an_order(f"o-{name}", **{**a_buyer(name, f"{name}@example.com", name, f"{name}weg 1"), **more})
        for name in names
    ]


def addresses() -> dict[str, Address]:
    """The addresses by the reference their first order came under."""
    db.session.expire_all()
    return {one.name: one for one in db.session.scalars(select(Address).order_by(Address.id))}


def documents_of() -> dict[str, set[str]]:
    """The order ids of each address, by its name."""
    found: dict[str, set[str]] = {}
    for name, order_id in db.session.execute(
        select(Address.name, Document.order_id).join(Document, Document.address_id == Address.id)
    ):
        found.setdefault(name, set()).add(order_id)
    return found


@pytest.fixture
def merge(merchant):
    def run(kept, merged):
        found = addresses()
        done = merging.merge(found[kept], found[merged], merchant.user_id)
        db.session.commit()
        return done

    return run


class TestMerging:
    def test_documents_and_references_are_moved_and_the_next_order_follows(self, platform, merge):
        write(platform, *buyers("a", "b"), an_order("o-b2", **a_buyer("b")))
        merge("a", "b")
        write(platform, an_order("o-b3", **a_buyer("b")))
        assert documents_of() == {"a": {"o-a", "o-b", "o-b2", "o-b3"}}
        assert addresses()["b"].merged_into_id == addresses()["a"].id

    def test_undone_it_is_as_before_and_what_came_since_stays(self, platform, merge):
        write(platform, *buyers("a", "b"))
        done = merge("a", "b")
        write(platform, an_order("o-since", **a_buyer("b")))
        merging.undo(done)
        db.session.commit()
        assert documents_of() == {"a": {"o-a", "o-since"}, "b": {"o-b"}}
        write(platform, an_order("o-b2", **a_buyer("b")))
        assert documents_of()["b"] == {"o-b", "o-b2"}
        assert done.undone_at is not None and addresses()["b"].merged_into_id is None

    def test_references_of_two_platforms_go_and_come_back(self, platform, merchant, merge):
        write(platform, *buyers("a", "b"))
        other = a_platform(merchant, "Another", "amazon-2")
        write(other, an_order("o-c", **a_buyer("b", name="c")))
        merge("b", "c")
        done = merge("a", "b")
        assert done.buyer_references == {str(platform.id): ["b"], str(other.id): ["b"]}
        merging.undo(done)
        write(other, an_order("o-c2", **a_buyer("b")))
        assert documents_of() == {"a": {"o-a"}, "b": {"o-b", "o-c", "o-c2"}}

    def test_a_chain_is_undone_from_its_end(self, platform, merge):
        write(platform, *buyers("a", "b", "c"))
        first, second = merge("b", "a"), merge("c", "b")
        with pytest.raises(merging.UndoRefused, match="afterwards"):
            merging.undo(first)
        assert documents_of() == {"c": {"o-a", "o-b", "o-c"}}
        merging.undo(second)
        assert documents_of() == {"b": {"o-a", "o-b"}, "c": {"o-c"}}
        merging.undo(first)
        assert documents_of() == {"a": {"o-a"}, "b": {"o-b"}, "c": {"o-c"}}

    def test_two_merged_into_one_are_undone_in_any_order(self, platform, merge):
        write(platform, *buyers("a", "b", "c"))
        first, second = merge("a", "b"), merge("a", "c")
        merging.undo(first)
        assert documents_of() == {"a": {"o-a", "o-c"}, "b": {"o-b"}}
        merging.undo(second)
        assert documents_of() == {"a": {"o-a"}, "b": {"o-b"}, "c": {"o-c"}}

    def test_nothing_is_undone_twice(self, platform, merge):
        write(platform, *buyers("a", "b"))
        done = merge("a", "b")
        merging.undo(done)
        merge("a", "b")
        with pytest.raises(merging.UndoRefused, match="undone already"):
            merging.undo(done)
        assert documents_of() == {"a": {"o-a", "o-b"}}

    @pytest.mark.parametrize("kept_and_merged", [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("a", "a")])
    def test_what_is_merged_already_or_the_same_is_refused(self, platform, merge, kept_and_merged):
        write(platform, *buyers("a", "b", "c"))
        merge("a", "b")
        with pytest.raises(merging.MergeRefused):
            merge(*kept_and_merged)

    def test_a_page_of_orders_that_is_under_way_is_waited_for(self, app, merchant, platform):
        write(platform, *buyers("a", "b"))
        ids = [addresses()[name].id for name in ("a", "b")]
        source, problems = intake.source_of(platform), []

        def merging_meanwhile():
            try:
                with app.app_context(), tenant(merchant.tenant_id):
                    kept, merged = (db.session.get_one(Address, id) for id in ids)
                    merging.merge(kept, merged, merchant.user_id)
                    db.session.commit()
            except Exception as error:
                problems.append(error)

        intake.write_page(source, planned(source, an_order("o-late", **a_buyer("b"))), [])
        thread = threading.Thread(target=merging_meanwhile)
        thread.start()
        wait_for_somebody_who_waits(app)
        db.session.commit()
        thread.join()
        assert not problems
        assert documents_of() == {"a": {"o-a", "o-b", "o-late"}}

    def test_of_two_who_merge_crosswise_one_is_refused(self, app, merchant, platform):
        write(platform, *buyers("a", "b"))
        ids = [addresses()[name].id for name in ("a", "b")]
        refused, gate = [], threading.Barrier(2)

        def run(kept_id, merged_id):
            with app.app_context(), tenant(merchant.tenant_id):
                kept, merged = db.session.get_one(Address, kept_id), db.session.get_one(Address, merged_id)
                gate.wait()
                try:
                    merging.merge(kept, merged, merchant.user_id)
                    db.session.commit()
                except merging.MergeRefused as refusal:
                    db.session.rollback()
                    refused.append(str(refusal))

        threads = [threading.Thread(target=run, args=pair) for pair in (ids, ids[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1 and "merged into" in refused[0]
        assert len(documents_of()) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.integers(0, 4), st.integers(0, 4)),
        st.tuples(st.just("undo"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("order"), st.integers(0, 4), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_is_merged_and_undone_no_document_is_lost_and_all_undone_is_as_before(app, make_tenant, steps):
    merchant = make_tenant()
    names = "abcde"
    with app.app_context(), tenant(merchant.tenant_id):
        platform, done, count = a_platform(merchant), [], 0
        write(platform, *buyers(*names))
        for what, one, other in steps:
            found = addresses()
            try:
                if what == "merge":
                    done.append(merging.merge(found[names[one]], found[names[other]], merchant.user_id))
                elif what == "undo" and done:
                    merging.undo(done[one % len(done)])
                elif what == "order":
                    count += 1
                    write(platform, an_order(f"more-{count}", **a_buyer(names[one])))
            except (merging.MergeRefused, merging.UndoRefused):
                pass
            db.session.commit()
            merged = {name for name, address in addresses().items() if address.merged_into_id is not None}
            assert not merged & documents_of().keys(), "a merged address has documents"
            assert sum(map(len, documents_of().values())) == len(names) + count
        for last in reversed(done):
            if last.undone_at is None:
                merging.undo(last)
        after = documents_of()
        assert {name: {order for order in after[name] if order.startswith("o-")} for name in names} == {
            name: {f"o-{name}"} for name in names
        }
        references = dict(
            db.session.execute(select(AddressReference.buyer_reference, AddressReference.address_id)).all()
        )
        assert references == {name: address.id for name, address in addresses().items()}


def pairs() -> list[tuple[str, str]]:
    """The pairs the list begins with, as names of newer and older."""
    db.session.expire_all()
    return [(pair.newer.name, pair.older.name) for pair in doubles.rows(doubles.Window(doubles.NEWEST))]


class TestDoubles:
    def test_alike_in_place_or_in_email_and_in_nothing_else(self, platform):
        write(
            platform,
            an_order("1", **a_buyer("1", "one@example.com", "Anna", "Weg 1")),
            an_order("2", **a_buyer("2", "two@example.com", "ANNA", "weg  1")),
            an_order("3", **a_buyer("3", "ONE@example.com", "Anne", "Weg 2")),
            an_order("4", **a_buyer("4", "", "Anna", "")),
            an_order("5", **a_buyer("5", "", "Anna", "")),
            an_order("6", **a_buyer("6", "six@example.com", "Anna", "Weg 1", "01067")),
        )
        assert pairs() == [("Anne", "Anna"), ("ANNA", "Anna")]

    def test_of_three_each_is_shown_with_the_oldest_until_it_is_settled(self, platform, merge):
        write(platform, *(an_order(n, **a_buyer(n, "same@example.com", n)) for n in "abc"))
        found = addresses()
        assert pairs() == [("c", "a"), ("b", "a")]
        merging.keep_apart(found["c"], found["a"])
        merging.keep_apart(found["a"], found["c"])
        assert db.session.scalars(select(AddressApart.newer_id)).all() == [found["c"].id]
        assert pairs() == [("c", "b"), ("b", "a")]
        done = merge("a", "b")
        assert pairs() == []
        merging.undo(done)
        assert pairs() == [("c", "b"), ("b", "a")]

    def test_a_search_finds_an_address_as_the_newer_one_and_as_the_older_one(self, platform):
        write(platform, *(an_order(n, **a_buyer(n, "same@example.com", n)) for n in ("Anna", "Bea", "Carl")))
        write(platform, *(an_order(n, **a_buyer(n, "other@example.com", n, "Weg 9")) for n in ("Anton", "Dora")))
        found = addresses()
        merging.keep_apart(found["Carl"], found["Anna"])

        def searched(term):
            newest = doubles.Window(doubles.NEWEST)
            return [(pair.newer.name, pair.older.name) for pair in doubles.rows(newest, doubles.find(term))]

        assert pairs() == [("Dora", "Anton"), ("Carl", "Bea"), ("Bea", "Anna")]
        assert searched("bea") == [("Carl", "Bea"), ("Bea", "Anna")]
        assert searched("an") == [("Dora", "Anton"), ("Bea", "Anna")]
        assert searched(found["Dora"].number) == [("Dora", "Anton")]
        assert searched("nobody") == []

    def test_what_a_search_leaves_out_of_the_newer_ones_is_said(self, platform, monkeypatch):
        monkeypatch.setattr(doubles, "MOST_LOOKED_AT", 12)
        write(platform, *(an_order(f"{n}", **a_buyer(f"{n}", "same@example.com", f"Name {n}")) for n in range(12)))
        oldest, *newer = (addresses()[f"Name {n}"] for n in range(12))
        found = doubles.find(oldest.number)
        assert not found.cut and found.newer == [oldest.id, *(one.id for one in newer)]
        write(platform, an_order("12", **a_buyer("12", "same@example.com", "Name 12")))
        assert doubles.find(oldest.number).cut

    def test_they_are_paged_and_the_page_says_where_it_stopped_looking(
        self, platform, merchant, app, client_of, monkeypatch
    ):
        monkeypatch.setattr(doubles, "MOST_LOOKED_AT", 60)
        write(platform, *(an_order(f"s-{n}", **a_buyer(f"s-{n}", "same@example.com")) for n in range(53)))
        write(platform, *buyers(*(f"n{n}" for n in range(70))))
        db.session.commit()
        desk = Desk.of(app, merchant, client_of)
        first = desk.open("/addresses/doubles")
        assert not first.rows and "60 addresses were looked at" in first.words and "No doubles so far" in first.words
        second = desk.open(first.link("Look further"), htmx=True)
        assert len(second.rows) == 50  # 10 are like nobody; the two oldest were not looked at
        assert not second.all("h1")

    @pytest.mark.parametrize("search", ["", "?q=same"])
    def test_no_double_is_left_out_or_shown_twice_on_the_way_through(
        self, platform, merchant, app, client_of, monkeypatch, search
    ):
        monkeypatch.setattr(doubles, "MOST_LOOKED_AT", 55)
        write(platform, *(an_order(f"s-{n}", **a_buyer(f"s-{n}", "same@example.com", "Same")) for n in range(99)))
        db.session.commit()
        desk = Desk.of(app, merchant, client_of)
        page, seen = desk.open(f"/addresses/doubles{search}"), []
        while True:
            seen += [row[0] for row in page.rows]
            if not page.all("a", rel="next"):
                break
            page = desk.open(page.one("a", rel="next").attributes["href"])
        assert len(seen) == len(set(seen)) == 98
        assert "There may be more" not in page.words
        back = desk.open(page.one("a", rel="prev").attributes["href"])
        assert len(back.rows) == 50 and back.all("a", rel="next")


class TestPages:
    @pytest.fixture
    def desk(self, app, merchant, platform, client_of):
        write(platform, *(an_order(f"o-{n}", **a_buyer(n, "same@example.com", f"Name {n}")) for n in "ab"))
        write(platform, *buyers("c"), an_order("o-a2", placed_at=EPOCH + timedelta(days=1), **a_buyer("a")))
        db.session.commit()
        return Desk.of(app, merchant, client_of)

    @pytest.fixture
    def people(self, desk):
        found = {name.removeprefix("Name "): one for name, one in addresses().items()}
        db.session.expunge_all()
        db.session.rollback()
        return found

    def test_from_the_doubles_to_one_address_and_back(self, desk, people):
        a, b = people["a"], people["b"]
        page = desk.open(desk.open("/addresses/").link("Doubles"))
        assert [row[:4] for row in page.rows] == [[b.number, a.number, "E-mail address", "Name b"]]
        page = desk.open(page.link("Compare"))
        assert [grid.all("dd")[0].words for grid in page.all("dl", class_="datagrid")] == ["2", "1"]  # documents
        assert page.fields["stays"] == str(a.id)
        page = desk.do(f"/addresses/{b.id}/merge", number=a.number, stays=str(a.id))
        assert f"{b.number} is merged into {a.number}." in page.words
        assert {row[1] for row in page.rows} == {"o-a", "o-a2", "o-b"}
        assert page.grid["Buyer at the marketplace"] == "a, b"

        gone = desk.open(f"/addresses/{b.id}")
        assert "This address was merged" in gone.words and gone.link(a.number) == f"/addresses/{a.id}"
        assert "Merge with another address" not in gone.words
        assert b.number not in {row[0] for row in desk.open("/addresses/").rows}
        assert not desk.open("/addresses/", q=b.number).rows
        assert f"/addresses/{b.id}" not in desk.open("/search", q="Name b").links
        assert not desk.open("/addresses/doubles").rows

        merges = desk.open("/addresses/merges")
        assert merges.rows[0][:4] == [f"{a.number} · Name a", f"{b.number} · Name b", "1", "Olga Owner"]
        (form,) = [form for form in merges.all("form") if form.attributes["action"].endswith("/undo")]
        merges = desk.do(form.attributes["action"])
        assert f"{b.number} is an address of its own again." in merges.words and "Undone" in merges.rows[0][5]
        assert [row[1] for row in desk.open(f"/addresses/{b.id}").rows] == ["o-b"]
        assert desk.open("/addresses/doubles").rows

    def test_the_newer_one_may_stay(self, desk, people):
        a, b = people["a"], people["b"]
        page = desk.do(f"/addresses/{a.id}/merge", number=b.number, stays=str(b.id))
        assert page.one("h1").words == f"{b.number} · Name b" and len(page.rows) == 3

    def test_an_address_is_merged_with_one_that_is_like_it_in_nothing(self, desk, people):
        page = desk.open(f"/addresses/{people['c'].id}")
        assert any(box.attributes["id"] == "number" for box in page.all("input", name="number"))
        page = desk.open(f"/addresses/{people['c'].id}/merge", number=people["a"].number)
        assert people["a"].number in page.words and people["c"].number in page.words

    def test_two_people_are_shown_as_a_pair_no_more(self, desk, people):
        page = desk.do(f"/addresses/{people['b'].id}/apart", number=people["a"].number)
        assert "kept as two customers" in page.words and "No doubles" in page.words
        page = desk.do(f"/addresses/{people['b'].id}/apart", number="nobody's")
        assert "There is no address with the number nobody's." in page.words

    def test_a_number_is_asked_for(self, desk, people):
        path = f"/addresses/{people['a'].id}/merge"
        assert desk.open(path).fields["number"] == ""
        assert desk.send(path, 422, stays=str(people["a"].id)).error_of("number") == "This field is required."
        assert "This field is required." in desk.do(f"/addresses/{people['a'].id}/apart").words

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("nobody's", "There is no address with the number nobody's."),
            ("{a}", "This is the address itself."),
            ("{b}", "{b} was merged into {c} already."),
            ("9" * 200, "Field cannot be longer than 120 characters."),
        ],
    )
    def test_a_number_that_cannot_be_meant_is_refused_at_the_field(self, desk, people, typed, said):
        numbers = {name: one.number for name, one in people.items()}
        desk.do(f"/addresses/{people['b'].id}/merge", number=numbers["c"], stays=str(people["c"].id))
        typed = typed.format(**numbers)
        path = f"/addresses/{people['a'].id}/merge"
        asked = desk.browser.get(path, query_string={"number": typed})
        assert asked.status_code == 422
        for page in (read(asked.text), desk.send(path, 422, number=typed, stays=str(people["a"].id))):
            assert page.fields["number"] == typed
            assert said.format(**numbers) in page.error_of("number")

    def test_an_address_that_is_merged_is_not_merged_again(self, desk, people):
        a, b, c = (people[name] for name in "abc")
        desk.do(f"/addresses/{a.id}/merge", number=b.number, stays=str(b.id))
        page = desk.send(f"/addresses/{a.id}/merge", 422, number=c.number, stays=str(c.id))
        assert f"{a.number} was merged into {b.number} already." in page.error_of("number")

    @pytest.mark.parametrize("stays", [None, "0", "x"])
    def test_one_of_both_stays(self, desk, people, stays):
        form = {"number": people["b"].number} | ({"stays": stays} if stays else {})
        page = desk.send(f"/addresses/{people['a'].id}/merge", 422, **form)
        assert page.one("div", id="stays-error").words
        assert page.fields["number"] == people["b"].number
        assert len(desk.open("/addresses/").rows) == 3

    def test_what_cannot_be_undone_yet_is_said(self, desk, people):
        a, b, c = (people[name] for name in "abc")
        desk.do(f"/addresses/{a.id}/merge", number=b.number, stays=str(b.id))
        desk.do(f"/addresses/{b.id}/merge", number=c.number, stays=str(c.id))
        page = desk.open("/addresses/merges")
        undo = [form.attributes["action"] for form in page.all("form") if form.attributes["action"].endswith("/undo")]
        page = desk.do(undo[1])
        assert f"{b.number} was merged into {c.number} afterwards. Undo that first." in page.words
        desk.do(undo[0])
        desk.do(undo[1])
        page = desk.do(undo[1])
        assert "This merge is undone already." in page.words

    def test_merges_are_paged(self, desk, people, merchant, platform):
        one, other = (db.session.get_one(Address, people[name].id) for name in "ab")
        for _ in range(52):
            merging.undo(merging.merge(one, other, merchant.user_id))
        db.session.commit()
        first = desk.open("/addresses/merges")
        second = desk.open(first.one("a", rel="next").attributes["href"], htmx=True)
        assert (len(first.rows), len(second.rows)) == (50, 2)

    def test_without_merges_the_page_says_how_there_will_be_some(self, desk):
        assert "Nothing was merged yet" in desk.open("/addresses/merges").words

    def test_clerks_look_and_do_not_merge(self, app, make_tenant, client_of, as_tenant):
        clerk = make_tenant(role="clerk")
        with as_tenant(clerk):
            orders = [an_order(n, **a_buyer(n, "same@example.com")) for n in "ab"]
            write(a_platform(clerk), *orders)
            one, other = db.session.scalars(select(Address).order_by(Address.id)).all()
            done = merging.merge(one, other, clerk.user_id)
            merging.undo(done)
            db.session.commit()
            id, number, merge_id = one.id, other.number, done.id
        desk = Desk.of(app, clerk, client_of)
        page = desk.open("/addresses/doubles")
        assert page.rows and "Compare" not in page.words and "Two people" not in page.words
        assert desk.open("/addresses/merges").rows
        assert "Merge with another address" not in desk.open(f"/addresses/{id}").words
        assert desk.browser.get(f"/addresses/{id}/merge").status_code == 403
        for path in (f"/addresses/{id}/merge", f"/addresses/{id}/apart", f"/addresses/merges/{merge_id}/undo"):
            assert desk.browser.post(path, data={"number": number, "stays": str(id)}).status_code == 403

    def test_a_neighbours_number_is_nobodys(self, desk, people, make_tenant, as_tenant, app, client_of):
        neighbour = make_tenant()
        with as_tenant(neighbour):
            write(
                a_platform(neighbour), *(an_order(f"n-{n}", **a_buyer(f"n-{n}", "same@example.com")) for n in range(9))
            )
            number, id = db.session.execute(select(Address.number, Address.id).order_by(Address.id.desc())).first()
        page = desk.send(f"/addresses/{people['a'].id}/merge", 422, number=number, stays=str(people["a"].id))
        assert "There is no address with the number" in page.error_of("number")
        assert desk.browser.get(f"/addresses/{id}/merge").status_code == 404
        assert len(desk.open("/addresses/doubles").rows) == 1
