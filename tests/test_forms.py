"""Every form refuses every kind of bad input at its field, keeps what was typed, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, template_rendered
from flask.testing import FlaskClient
from sqlalchemy import select, text
from wtforms import (
    BooleanField,
    DateField,
    DecimalField,
    EmailField,
    Field,
    FileField,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length

from portal.addresses import service as addresses
from portal.addresses.models import Address, NumberRange, Purpose
from portal.addresses.numbers import Numbering
from portal.automation import services
from portal.automation.models import Service
from portal.config import sqlalchemy_url
from portal.credentials.service import create_credential
from portal.embedded import Urls
from portal.extensions import db, limiter
from portal.listings.listing import ACT
from portal.listings.models import ListView
from portal.masterdata import articles, rates
from portal.masterdata import service as masterdata
from portal.masterdata.articles import Wares
from portal.masterdata.models import PaymentMethod, PaymentTerms, ShippingMethod, TaxClass
from portal.masterdata.periods import Rate
from portal.shipments import service as shipping
from portal.shipments.models import Carrier, MessageState
from portal.typed import Form, one_line
from tests.conftest import Merchant
from tests.isolation.marked import Marked, everything
from tests.reading import Element, read
from tests.shipments.builders import a_carrier, a_document, a_platform
from tests.test_http import changing

# Routes without a field that somebody types into, and what they are instead.
BUTTONS = {
    "actions.remove_schema": "a button",
    "actions.run": "a button below a summary; what it sums up: tests/automation/test_actions.py",
    "actions.run_schema": "a button",
    "actions.save_schema": "carries the steps before: tests/automation/test_actions.py",
    "actions.stop": "a button",
    "addresses.delete_status": "a button",
    "addresses.keep_apart": "a button beside the form of a merge, which checks the number",
    "addresses.undo": "a button",
    "articles.delete": "a button",
    "articles.run": "a button below a preview, and a switch",
    "assignments.remove": "a button in a row",
    "assignments.run": "a button below a preview, and a switch",
    "creation.map_values": "lists of what there is; anything else means the standard",
    "credentials.delete": "a button",
    "credentials.test": "a button",
    "documents.fetch_now": "a question: any order id may be asked for",
    "events.receive": "not for people",
    "held.remove": "a button",
    "held.retry": "a button",
    "held.retry_all": "a button",
    "listings.choose_columns": "ticks; what is no column counts for nothing",
    "listings.remove_view": "a button",
    "masterdata.delete_code": "a button",
    "masterdata.delete_rate": "a button",
    "masterdata.payment_methods.delete": "a button",
    "masterdata.payment_terms.delete": "a button",
    "masterdata.shipping_methods.delete": "a button",
    "masterdata.take_over": "ticks; those of unknown countries count for nothing",
    "notices.test": "a button",
    "platforms.connect": "a button",
    "platforms.fetch": "a button",
    "platforms.import_settings": "ticks; those of unknown offers count for nothing",
    "services.remove": "a button",
    "services.start": "a button",
    "services.stop": "a button",
    "setup.create_task": "a button",
    "shipments.delete_carrier": "a button",
    "shipments.take_back": "a button",
    "tasks.create": "each kind of trigger has its own fields: tests/automation/test_tasks.py",
    "tasks.remove": "a button",
    "tasks.run": "a button",
    "tasks.unlock": "a button",
    "tasks.update": "each kind of trigger has its own fields: tests/automation/test_tasks.py",
    "tenants.change_role": "a list in a row; what it does not offer is refused on a page of its own",
    "tenants.language": "buttons",
    "tenants.new_link": "a button",
    "tenants.remove": "a button",
    "tenants.set_up": "only there while there is no tenant: tests/tenants/test_first_run.py",
    "tenants.sign_out": "a button",
    "tenants.use_link": "a button",
}


@dataclass(frozen=True)
class Sheet:
    """How a form is filled in. `good` comes over what its page shows; words in braces are from the `ids`.

    `wrong` holds bad values besides those of its kind of field, `gone` what is not shown again once the field
    before it is refused.
    """

    page: str
    good: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    action: str = ""  # where it goes, if not to its page's own address
    retried: bool = False  # the form of a report that failed, of which a page may show several


NAMED = {"name": ("{taken}",)}
ADDRESSES = (
    *("ftp://example.com", "example.com", "https://", "https://a:99999", "https://a:b@example.com"),
    *("https://example.com/?a=b", "https://example.com/#a", "https://exa mple.com", "https://[::1"),
)
RANGE = {
    "prefix": ("{{YYYY}}",),
    "digits": ("13",),
    "next_number": ("99999999999",),
    "last_number": ("1", "99999999999"),
}
A_STATUS = {**NAMED, **RANGE}
CREDENTIAL = {"address": ADDRESSES, **NAMED}
PLATFORM = {
    "marketplaces": ("XX", "DE;XX", "DE;US", ";", "Deutschland"),
    "number": ("{taken_number}", "1000000"),
    **NAMED,
}
ARTICLES = {"sku": ("\0",), "number": ("{foreign_article}", "no such")}
E_MAILS = ("nobody", "a@", "@b", "a@b@c", "a b@example.com", "a@exa mple.com")
CARRIER = {
    "marketplace_code": ("DHL\0", "DHL\x1b[0m", "DHL\u202e"),
    "marketplace_name": ("a\0b",),
    "shipping_method": ("a\0b",),
    "name": ("{taken_carrier}", "a\0b"),
}
RATE = {
    "other_country": ("CH",),
    "rate": ("100.001", "1.2345", "1,2345", "19 %", "1.9.0"),
    "valid_from": ("2020-06-01",),
    "valid_until": ("2000-01-01",),
    "tax_code": ("0",),
}
A_PLACE = {
    "collective": ("{foreign_address_number}", "no such"),
    "marketplace": ("{foreign_address_number}", "no such"),
}
PASSWORDS = {"password": ("123456789",), "password_again": ("another password",)}
CHOICES = {"payment-methods": PaymentMethod, "payment-terms": PaymentTerms, "shipping-methods": ShippingMethod}

SHEETS = {
    "addresses.create_status": Sheet(
        "/addresses/statuses/new",
        {
            "name": "Retail",
            "category": "Shop",
            "prefix": "R",
            "digits": "6",
            "next_number": "100",
            "last_number": "999",
        },
        A_STATUS,
    ),
    "addresses.update_status": Sheet(
        "/addresses/statuses/{status}",
        {"name": "Renamed", "category": "Trade", "prefix": "K", "last_number": "900000", "reason": "As agreed"},
        A_STATUS,
    ),
    "addresses.update_numbers": Sheet(
        "/addresses/numbers/{range}", {"prefix": "N", "last_number": "900000", "reason": "As agreed"}, RANGE
    ),
    "addresses.update_matching": Sheet("/addresses/matching", {"rule": "email"}),
    "history.update_retention": Sheet("/tasks/runs/retention", wrong={"days": ("6", "731", "-90")}),
    "addresses.merge": Sheet(
        "/addresses/{address}/merge?number={other_number}",
        {"number": "{other_number}"},
        {"number": ("{foreign_address_number}", "no such", "{address_number}")},
        gone={"number": ("stays",)},
        action="/addresses/{address}/merge",
    ),
    "services.create": Sheet("/services/new", {"name": "Night", "workers": "2"}, NAMED, action="/services/"),
    "services.update": Sheet("/services/{service}/edit", {"name": "Late", "workers": "2"}, NAMED),
    "articles.create": Sheet(
        "/masterdata/articles/new", {"number": "B-1", "title": "Another"}, {"number": ("{article}",)}
    ),
    "articles.update": Sheet(
        "/masterdata/articles/{article_id}", {"title": "Another"}, {"number": ("{other_article}",)}
    ),
    "articles.upload": Sheet(
        "/masterdata/articles/import", {"text": "Number;Title\nB-2;Two"}, {"text": ("a;b\n1;2", "\0")}
    ),
    "assignments.create": Sheet("/platforms/{platform}/articles", {"sku": "S-1", "number": "{article}"}, ARTICLES),
    "assignments.assign_missing": Sheet(
        "/platforms/{platform}/articles/missing", {"number": "{article}"}, {"number": ("{foreign_article}", "no such")}
    ),
    "assignments.upload": Sheet(
        "/platforms/{platform}/articles/import",
        {"text": "SKU;Article number\nS-2;{article}"},
        {"text": ("a;b\n1;2", "\0")},
    ),
    "creation.update": Sheet(
        "/platforms/{platform}/creation",
        {"article_rule": "strip_prefix", "sku_prefix": "S-", "freight_article": "F", "discount_article": "D"},
        {"sku_prefix": ("", " ")},
    ),
    "creation.update_defaults": Sheet(
        "/platforms/{platform}/defaults", {"collective": "{address_number}", "marketplace": "{address_number}"}, A_PLACE
    ),
    "credentials.create": Sheet(
        "/credentials/new",
        {"name": "Second", "address": "http://127.0.0.1:9/cloud", "client_id": "an id", "client_secret": "a secret"},
        {"client_secret": ("", " ", "\0"), **CREDENTIAL},
        action="/credentials/",
    ),
    "credentials.update": Sheet(
        "/credentials/{credential}", {"name": "Renamed", "client_id": "another", "client_secret": "another"}, CREDENTIAL
    ),
    "listings.create_view": Sheet(
        "/lists/views/new?address=/documents/%3Fstate=open", {"name": "Mine"}, NAMED, action="/lists/views"
    ),
    "listings.update_view": Sheet("/lists/views/{view}", {"name": "Renamed"}, NAMED),
    "masterdata.create_code": Sheet(
        "/masterdata/tax-codes/new", {"code": "C1", "name": "Another"}, {"code": ("{taken}",)}
    ),
    "masterdata.update_code": Sheet(
        "/masterdata/tax-codes/{code}", {"code": "C2", "name": "Another"}, {"code": ("{taken}",)}
    ),
    "masterdata.create_rate": Sheet(
        "/masterdata/tax-rates/new",
        {
            "country": "DE",
            "valid_from": "2026-01-01",
            "valid_until": "2026-12-31",
            "rate": "19",
            "tax_code": "{code}",
            "other_country": "",
        },
        RATE,
    ),
    "masterdata.create_rate elsewhere": Sheet(
        "/masterdata/tax-rates/new",
        {
            "country": "",
            "valid_from": "2026-01-01",
            "valid_until": "2026-12-31",
            "rate": "8,1",
            "tax_code": "{code}",
            "other_country": "ch",
        },
        {"other_country": ("", " ", "XX", "C", "CHE", "0", "ÄÖ")},
    ),
    "masterdata.update_rate": Sheet("/masterdata/tax-rates/{rate}", {"rate": "7,5", "valid_until": "2021-11-30"}, RATE),
    "masterdata.update_taxes": Sheet("/masterdata/taxes", {"home_country": "DE", "export_code": "{code}"}),
    "notices.update": Sheet(
        "/settings/notifications", {"recipients": "owner@example.com, clerk@example.com"}, {"recipients": E_MAILS}
    ),
    "platforms.create": Sheet("/platforms/new", {"name": "New", "marketplaces": "DE"}, PLATFORM, action="/platforms/"),
    "platforms.update": Sheet("/platforms/{platform}/edit", {"number": "77", "marketplaces": "DE;FR"}, PLATFORM),
    "platforms.disconnect": Sheet(
        "/platforms/{platform}/disconnection", {"name": "{platform_name}"}, {"name": ("{taken}",)}
    ),
    "shipments.create": Sheet(
        "/documents/{document}",
        {"tracking_number": "00340434161094042557", "carrier": "{carrier}"},
        {
            "tracking_number": ("", " ", "\0", "a\0b", "{tracking_number}"),
            "shipped_on": ("{too_early}", "{too_late}"),
            "quantity-2": ("1.5", "-1", "two", "9" * 12, "3", "NaN", "1e0"),
        },
        action="/shipments/documents/{document}",
    ),
    "shipments.retry": Sheet(
        "/documents/{document}",
        {"tracking_number": "00340434161094042564"},
        {"tracking_number": ("", " ", "a\0b")},
        action="/shipments/{shipment}/retry",
        retried=True,
    ),
    "shipments.new_carrier": Sheet(
        "/shipments/carriers/new",
        {"name": "New", "marketplace_code": "Other", "marketplace_name": "New", "shipping_method": "Paket"},
        CARRIER,
    ),
    "shipments.edit_carrier": Sheet(
        "/shipments/carriers/{carrier}",
        {"name": "Renamed", "marketplace_name": "Another", "shipping_method": "Paket"},
        CARRIER,
    ),
    "tenants.change_password": Sheet(
        "/settings/password",
        {
            "present": "correct horse battery",
            "password": "correct horse battery",
            "password_again": "correct horse battery",
        },
        {"present": ("", "wrong"), **PASSWORDS},
    ),
    "tenants.check_password": Sheet("/sign-in", {"email": "{email}", "password": "correct horse battery"}),
    "tenants.create_tenant": Sheet(
        "/settings/tenants/new",
        {"company": "C", "customer_number": "{new_number}", "user_name": "U", "email": "{new_email}"},
        {"email": (*E_MAILS, "{email}"), "customer_number": ("{customer_number}",)},
        action="/settings/tenants",
    ),
    "tenants.invite": Sheet(
        "/settings/users", {"name": "N", "email": "clerk-{new_email}"}, {"email": (*E_MAILS, "{email}")}
    ),
    **{
        f"masterdata.{path.replace('-', '_')}.{verb}": Sheet(
            f"/masterdata/{path}/{where}", {"name": f"New by {verb}"}, NAMED
        )
        for path in CHOICES
        for verb, where in (("create", "new"), ("update", f"{{{path}}}"))
    },
}

# What goes to the marketplace letter by letter: nothing is changed in it silently.
REFUSING_CONTROLS = {"shipments.create", "shipments.retry", "shipments.new_carrier", "shipments.edit_carrier"}
# Allowed beside another choice only. Every other field is filled in, or it could not be seen that it is kept.
LEFT_EMPTY = {"other_country"}
# A password is what was typed, and a file has its own rules.
NOT_CLEANED = (PasswordField, TextAreaField)
NOT_TYPED_INTO = (BooleanField, HiddenField, FileField, SelectField)


# The shop


@dataclass(frozen=True)
class Shop:
    """A merchant with something for each form, and a neighbour."""

    app: Flask
    owner: sa.Engine
    merchant: Merchant
    browser: FlaskClient
    ids: Mapping[str, Any]

    def browser_for(self, endpoint: str) -> FlaskClient:
        return self.app.test_client() if endpoint == "tenants.check_password" else self.browser

    def filled(self, text: str) -> str:
        return text.format_map(self.ids)

    def rows(self) -> dict[str, list[str]]:
        return everything(self.owner, Marked(self.merchant, "", "", {}))


@pytest.fixture(scope="module")
def shop(app, servers: Urls, make_tenant, client_of, as_tenant) -> Iterator[Shop]:
    owner = sa.create_engine(sqlalchemy_url(servers.database_owner), poolclass=sa.NullPool)
    merchant, neighbour = make_tenant(role="operator"), make_tenant()
    with as_tenant(neighbour):
        foreign = _stock(neighbour, "Foreign")
    with as_tenant(merchant):
        ids = _stock(merchant, "Own")
        ids |= {f"foreign_{name}": foreign[name] for name in ("article", "address_number")}
        ids["foreign"] = foreign["rows"]
    limiter.enabled, before = False, limiter.enabled  # so much bad input would be throttled
    shop = Shop(app, owner, merchant, client_of(merchant), ids)
    yield shop
    limiter.enabled = before
    assert r"\t\t" not in repr(shop.rows()), "what was padded with control characters was kept with them"
    owner.dispose()


def _stock(merchant: Merchant, mark: str) -> dict[str, Any]:
    """Give the merchant two of everything; return what the sheets call them."""
    platforms = [a_platform(merchant, name, reference=None) for name in (mark, "Taken")]
    document = a_document(merchant, quantities=(1, 2))
    a_document(merchant, "028-7654321-7654321")
    create_credential("Taken", "http://127.0.0.1:9/cloud", "an id", "a secret")
    status, _ = (addresses.create_status(name, "", Numbering(name, 6, 100, 999_999)) for name in ("Kept", "Taken"))
    ware, _ = (articles.create(Wares(f"{mark}-{number}", "", TaxClass.STANDARD, True)) for number in (1, 2))
    kept, taken = Service(), Service()
    services.save(kept, "Kept", 1)
    services.save(taken, "Taken", 1)
    chosen = {
        name: [masterdata.create(model, word, True) for word in ("Kept", "Taken")] for name, model in CHOICES.items()
    }
    code, _ = (masterdata.create_code(code, "", True) for code in ("Kept", "Taken"))
    _, rate = (
        rates.create_rate(Rate("DE", TaxClass.STANDARD, date(year, 1, 1), date(year, 12, 31), Decimal(19)), code.id)
        for year in (2020, 2021)
    )
    carrier = a_carrier()
    shipment = shipping.ship(document, carrier, f"{mark}-1", document.ordered_at + timedelta(days=1), {1: 1})
    shipment.state, shipment.problem = MessageState.FAILED, "Amazon does not know the carrier."
    of_documents = {"tenant_id": merchant.tenant_id, "user_id": merchant.user_id, "path": "/documents/", "query": ""}
    view, taken = (ListView(name=name, shared=False, **of_documents) for name in ("Kept", "Taken"))
    db.session.add_all((view, taken))
    address, other = db.session.scalars(select(Address).order_by(Address.id)).all()
    address.number = f"{mark}-A"
    db.session.commit()
    now = datetime.now(UTC)
    return {
        "taken": "Taken",
        "platform": platforms[0].id,
        "platform_name": mark,
        "taken_number": platforms[1].number,
        "document": document.id,
        "shipment": shipment.id,
        "tracking_number": shipment.tracking_number,
        "too_early": (document.ordered_at - timedelta(days=3)).date(),
        "too_late": (now + timedelta(days=5)).date(),
        "carrier": carrier.id,
        "taken_carrier": db.session.scalar(select(Carrier.name).where(Carrier.id != carrier.id).limit(1)),
        "address": address.id,
        "address_number": address.number,
        "other_number": other.number,
        "status": status.id,
        "range": db.session.scalar(select(NumberRange.id).where(NumberRange.purpose == Purpose.ORDER)),
        "article_id": ware.id,
        "article": ware.number,
        "other_article": f"{mark}-2",
        "code": code.id,
        "view": view.id,
        "rate": rate.id,
        "credential": merchant.credential_id,
        "service": kept.id,
        "customer_number": db.session.scalar(text("SELECT customer_number FROM tenant")),
        "email": merchant.email,
        "new_email": f"new-{merchant.email}",
        "new_number": f"{merchant.tenant_id}-new",
        "rows": {table: db.session.scalar(text(f"SELECT min(id) FROM {table}")) for table in set(OF.values())},
        **{name: records[0].id for name, records in chosen.items()},
    }


# The walk


@pytest.mark.parametrize("endpoint", SHEETS)
def test_a_form_refuses_bad_input_at_its_field_and_keeps_what_was_typed(app, shop, endpoint):
    sheet, browser = SHEETS[endpoint], shop.browser_for(endpoint)
    form, shown = opened(app, browser, sheet, shop.ids)
    action, good = shop.filled(sheet.action or sheet.page), typed(sheet, shown, shop.ids)
    typed_into = {name for name in good if name in form and not isinstance(form[name], NOT_TYPED_INTO)}
    assert {name for name in typed_into if not good[name]} <= LEFT_EMPTY, "Say in SHEETS what is typed there."
    before, problems = shop.rows(), []
    for name, value in bad_input(sheet, form, shown, good, shop.ids):
        answer = browser.post(action, data={**good, name: value})
        try:
            assert_refused(answer, action, name, value, good, sheet.gone.get(name, ()))
        except AssertionError as problem:
            problems.append(f"{name} = {value[:40]!r}: {str(problem).splitlines()[0]}")
    assert not problems, "\n".join(problems)
    assert shop.rows() == before
    # Else everything was refused because something else was wrong.
    answer = browser.post(action, data={**good, **padded(endpoint, form, good)})
    assert answer.status_code < 400, read(answer.text).all("div", class_="invalid-feedback")


def test_no_form_is_forgotten(app):
    endpoints = {rule.endpoint for rule, _method in changing(app)}
    own = {name for name in endpoints if not name.startswith("rq_dashboard")}
    own = {name for name in own if not name.endswith(ACT)}  # ticks; what is no id is passed over
    assert own == {name.split()[0] for name in SHEETS} | BUTTONS.keys()


def opened(app: Flask, browser: FlaskClient, sheet: Sheet, ids: Mapping[str, Any]) -> tuple[Form, Element]:
    """The form of a page, as the app has made it and as it is shown."""
    contexts: list[dict[str, Any]] = []

    def note(sender: Flask, template: Any, context: dict[str, Any], **more: Any) -> None:
        contexts.append(context)

    with template_rendered.connected_to(note, app):
        answer = browser.get(sheet.page.format_map(ids))
    assert answer.status_code == 200, answer.status
    context = contexts[-1]
    form = context["retries"][ids["shipment"]] if sheet.retried else context["form"]
    action = (sheet.action or sheet.page).format_map(ids)
    posting = [shown for shown in forms_of(answer.text) if shown.attributes["method"] == "post"]
    return form, next(shown for shown in posting if shown.attributes.get("action", action) == action)


def forms_of(page: str) -> list[Element]:
    """The forms of a page; reading the rest of it a thousand times would take long."""
    return [read(form).one("form") for form in re.findall(r"<form\b.*?</form>", page, re.DOTALL)]


def typed(sheet: Sheet, shown: Element, ids: Mapping[str, Any]) -> dict[str, str]:
    """Good values for every field that is shown."""
    good = {name: value.format_map(ids) for name, value in sheet.good.items()}
    fields = {**shown.fields, **good}
    fields.pop("csrf_token", None)
    return fields


def bad_input(
    sheet: Sheet, form: Form, shown: Element, good: Mapping[str, str], ids: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Every field with every bad value."""
    hidden = {box.attributes["name"] for box in shown.all("input", type="hidden")}
    for name in good:
        for value in bad_values(form[name], ids) if name in form and name not in hidden else ():
            yield name, value
        for value in sheet.wrong.get(name, ()):
            yield name, value.format_map(ids)


WHOLE = ("seven", "-1", "1.5", "1e3", "NaN", "Infinity", "1_000", "9" * 400)
DECIMAL = ("seven", "-1", "1e1", "1e-2", "NaN", "Infinity", "1_0", "9" * 400, "1,2,3")
DAYS = ("2026-02-30", "99999-01-01", "tomorrow", "01.02.2026", "0001-01-01", "9999-12-31")
# Whose id it is that a list offers.
OF = {
    "carrier": "carrier",
    "collected_code": "tax_code",
    "credential": "credential",
    "address_status": "address_status",
    "guest_status": "address_status",
    "export_code": "tax_code",
    "payment_method": "payment_method",
    "payment_terms": "payment_terms",
    "reverse_charge_code": "tax_code",
    "shipping_method": "shipping_method",
    "stays": "address",
    "tax_code": "tax_code",
}


def bad_values(field: Field, ids: Mapping[str, Any]) -> Iterator[str]:
    """What a field of this kind must not take."""
    if isinstance(field, SelectField):  # and lists of radio buttons
        offered = {str(value) for value, *_more in field.iter_choices()}
        of_rows = all(value.isdigit() for value in offered)
        bad = ("", "1.5", "-1", "9" * 30, str(ids["foreign"][OF[field.name]])) if of_rows else ("", "no such")
        yield from (value for value in bad if value not in offered)
        return
    if isinstance(field, NOT_TYPED_INTO):
        return
    if field.flags.required:
        yield from ("",) if isinstance(field, PasswordField) else ("", " \0\x1f\t ")
    if isinstance(field, IntegerField):
        yield from WHOLE
    elif isinstance(field, DecimalField):
        yield from DECIMAL
    elif isinstance(field, DateField):
        yield from DAYS
    elif not isinstance(field, TextAreaField):
        longest = max((check.max for check in field.validators if isinstance(check, Length)), default=10_000)
        yield "x" * longest + ("@example.com" if isinstance(field, EmailField) else "x")


def assert_refused(
    answer: Any, action: str, name: str, value: str, good: Mapping[str, str], gone: Collection[str]
) -> None:
    """The answer says at the field what is wrong, and shows all that was typed."""
    assert answer.status_code == 422, answer.status
    forms = [form for form in forms_of(answer.text) if boxes(form, name)]
    assert forms, "the form is gone"
    # Not the filters of a list that stands on the same page, if there is another.
    form = min(forms, key=lambda f: (f.attributes.get("action", action) != action, f.attributes["method"] != "post"))
    kinds = {box.attributes.get("type") for box in boxes(form, name)}
    if "radio" in kinds:
        assert form.one("div", id=f"{name}-error").words
    else:
        assert form.error_of(name), "no words at the field"
    secret = {box.attributes["name"] for box in form.all("input", type="password")}
    for key, kept in good.items():
        if key != name and key not in secret and key not in gone:
            assert form.fields.get(key, "nothing") == kept, f"{key} shows something else"
    if kinds != {"password"} and "radio" not in kinds and not form.all("select", name=name):
        assert one_line(form.fields[name]) == one_line(value), "what was typed there is gone"


def boxes(form: Element, name: str) -> list[Element]:
    return [box for tag in ("input", "select", "textarea") for box in form.all(tag, name=name)]


def padded(endpoint: str, form: Form, good: Mapping[str, str]) -> dict[str, str]:
    """Good values as they come out of a spreadsheet. They are cleaned, not refused: nobody sees what is wrong."""
    if endpoint in REFUSING_CONTROLS:
        return {}
    return {
        name: f"\t\t\t\t{value}\0 "
        for name, value in good.items()
        if name in form and isinstance(form[name], StringField) and not isinstance(form[name], NOT_CLEANED)
    }
