"""The pages of payment methods, payment terms and shipping methods, which are the same for the three."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.addresses.models import AddressStatus
from portal.documents.models import Document
from portal.extensions import db
from portal.masterdata import service
from portal.masterdata.models import PaymentMethod, PaymentTerms, ShippingMethod
from portal.platforms.models import Platform, RemoteKind, RemoteValue

PATHS = {PaymentMethod: "payment-methods", PaymentTerms: "payment-terms", ShippingMethod: "shipping-methods"}
FIRST = {PaymentMethod: "Marketplace", PaymentTerms: "Paid at the marketplace", ShippingMethod: "Standard"}


@pytest.fixture(params=PATHS, ids=PATHS.values())
def model(request):
    return request.param


@pytest.fixture
def path(model):
    return f"/masterdata/{PATHS[model]}/"


@pytest.fixture
def first(desk, model):
    """The id of the one that every tenant begins with."""
    with desk.inside():
        return db.session.scalars(select(model.id)).one()


def column_of(model):
    return f"{model.__tablename__}_id"


def give(desk, row, name, value):
    """Let a row refer to a record."""
    with desk.inside():
        setattr(db.session.get_one(type(row), row.id), name, value)
        db.session.commit()


def names(desk, model, *kept):
    with desk.inside():
        return [record.name for record in service.offered(model, *kept)]


def test_a_new_tenant_has_one(desk, model, path):
    assert desk.open(path).rows == [[FIRST[model], "Active", "–"]]


def test_a_new_one_stands_in_the_list(desk, model, path):
    page = desk.do(f"{path}new", name="  Quite new ", active="y")
    assert "“Quite new” is saved." in page.words
    assert ["Quite new", "Active", "–"] in page.rows


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "This field is required."),
        ("x" * 61, "Field cannot be longer than 60 characters."),
        (None, "is there already."),
    ],
)
def test_a_name_that_cannot_be_is_refused_at_the_field_and_stays_in_it(desk, model, path, first, typed, said):
    typed = FIRST[model] if typed is None else typed
    answer = desk.send(f"{path}new", 422, name=typed)
    assert said in answer.error_of("name")
    assert answer.fields["name"] == typed
    assert "active" not in answer.fields
    assert len(desk.open(path).rows) == 1


def test_a_name_may_be_anothers_of_another_kind(desk, model, path):
    for other in PATHS.values():
        desk.do(f"/masterdata/{other}/new", name="The same", active="y")


def test_one_is_renamed_but_not_to_anothers_name(desk, model, path, first):
    desk.do(f"{path}new", name="Other", active="y")
    answer = desk.send(f"{path}{first}", 422, name="Other", active="y")
    assert answer.error_of("name") == "“Other” is there already."
    assert ["Renamed", "Active", "–"] in desk.do(f"{path}{first}", name="Renamed", active="y").rows


def test_one_that_is_switched_off_stays_where_it_is_used_and_is_offered_nowhere_else(desk, model, path, first):
    desk.do(f"{path}new", name="Other", active="y")
    assert [FIRST[model], "Off", "–"] in desk.do(f"{path}{first}", name=FIRST[model]).rows
    assert names(desk, model) == ["Other"]
    assert names(desk, model, first, None) == sorted([FIRST[model], "Other"])
    desk.do(f"{path}{first}", name=FIRST[model], active="y")
    assert names(desk, model) == sorted([FIRST[model], "Other"])


def test_one_that_nothing_uses_is_removed(desk, model, path, first):
    page = desk.do(f"{path}{first}/delete")
    assert f"“{FIRST[model]}” is removed." in page.words
    assert page.rows == []


def refused(desk, model, path, first, place):
    """The list, the page and the refusal to remove all say what uses the record."""
    assert desk.open(path).rows == [[FIRST[model], "Active", place]]
    assert "Remove “" not in desk.open(f"{path}{first}").words
    page = desk.do(f"{path}{first}/delete")
    assert f"“{FIRST[model]}” is used and stays: {place}. You can switch it off instead." in page.words
    assert len(desk.open(path).rows) == 1


def test_a_platforms_standard_is_not_removed(desk, model, path, first):
    give(desk, desk.platform("Amazon DE"), column_of(model), first)
    refused(desk, model, path, first, "platform Amazon DE")


def test_what_documents_bear_is_not_removed(desk, model, path, first):
    give(desk, desk.document(), column_of(model), first)
    refused(desk, model, path, first, "documents")


def test_what_an_old_document_bears_is_not_removed_either(desk, model, path, first, monkeypatch):
    give(desk, desk.document("028-1"), column_of(model), first)
    with desk.inside():
        newer = db.session.scalars(select(Document)).one()
        assert getattr(newer, column_of(model)) == first
    monkeypatch.setattr(service, "RECENT", 0)
    assert desk.open(path).rows == [[FIRST[model], "Active", "–"]]
    assert "is used and stays: documents." in desk.do(f"{path}{first}/delete").words


@pytest.mark.parametrize("model", [PaymentMethod, ShippingMethod], ids=["payment", "shipping"])
def test_what_a_marketplaces_word_leads_to_is_not_removed(desk, model, path, first):
    platform = desk.platform("Amazon DE")
    kind = RemoteKind.PAYMENT if model is PaymentMethod else RemoteKind.SHIPPING
    with desk.inside():
        row = RemoteValue(tenant_id=desk.merchant.tenant_id, platform_id=platform.id, kind=kind, value="Next")
        setattr(row, column_of(model), first)
        db.session.add(row)
        db.session.commit()
    refused(desk, model, path, first, "“Next” of Amazon DE")


@pytest.mark.parametrize("model", [PaymentTerms])
def test_what_an_address_status_gives_is_not_removed(desk, model, path, first):
    with desk.inside():
        status = db.session.scalars(select(AddressStatus)).one()
    give(desk, status, "payment_terms_id", first)
    refused(desk, model, path, first, "address status Marketplace customers")


def test_all_that_uses_a_record_is_named(desk, model, path, first):
    for name in ("Amazon PL", "Amazon DE"):
        give(desk, desk.platform(name, name), column_of(model), first)
    give(desk, desk.document(), column_of(model), first)
    refused(desk, model, path, first, "platform Amazon DE, platform Amazon PL, documents")


def test_what_is_chosen_at_the_same_moment_is_not_removed(desk, model, first, monkeypatch):
    platform = desk.platform()
    give(desk, platform, column_of(model), first)
    monkeypatch.setattr(service, "_named", lambda model: iter(()))
    with desk.inside():
        with pytest.raises(service.InUse, match="is used and stays: a setting"):
            service.delete(db.session.get_one(model, first))
        assert getattr(db.session.get_one(Platform, platform.id), column_of(model)) == first


def test_a_clerk_looks_and_an_administrator_changes(clerk, model, path):
    assert clerk.open(path).rows == [[FIRST[model], "Active", "–"]]
    assert f"{path}new" not in clerk.open(path).links
    with clerk.inside():
        id = db.session.scalars(select(model.id)).one()
    for address in (f"{path}new", f"{path}{id}"):
        assert clerk.browser.get(address).status_code == 403
        assert clerk.browser.post(address, data={"name": "Other"}).status_code == 403
    assert clerk.browser.post(f"{path}{id}/delete").status_code == 403


def test_the_overview_says_what_there_is(desk, clerk):
    desk.do("/masterdata/payment-terms/new", name="30 days", active="y")
    page = desk.open("/masterdata/")
    assert "Payment terms 2 When customers pay" in page.words
    assert "Payment methods 1 How customers pay" in page.words
    assert page.link("Articles") == "/masterdata/articles/"
    assert "/masterdata/" in desk.open("/").links
    assert "Tax rates" in clerk.open("/masterdata/").words


def test_each_tenant_has_its_own(app, desk, make_tenant, client_of, model, path):
    neighbour = make_tenant()
    desk.do(f"{path}new", name="Ours", active="y")
    assert "Ours" not in client_of(neighbour).get(path).text
