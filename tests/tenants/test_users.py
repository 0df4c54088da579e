"""Users, roles, sign-in links, and tenants made by operators."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select, text, update

from portal.extensions import db
from portal.tenants import service, session
from portal.tenants.models import Role, SignInLink, User
from tests.patience import SECONDS
from tests.reading import read


@pytest.fixture
def admin(client_of, merchant):
    """The browser of the tenant's only administrator."""
    return client_of(merchant)


@pytest.fixture
def hire(app, as_tenant, merchant):
    """`hire(role)`: a further user of the tenant and a browser signed in as him."""

    def make(role=Role.CLERK):
        with as_tenant(merchant):
            number = db.session.scalar(select(func.count(User.id)))
            user = service.create_user(f"User {number}", f"{number}-{merchant.email}", role, "another password")
            db.session.commit()
            id = user.id
        client = app.test_client()
        with client.session_transaction() as session:
            session["_user_id"], session["id"] = f"{merchant.tenant_id}:{id}:0", "of the tests"
        return id, client

    return make


@pytest.fixture
def user_of(as_tenant, merchant):
    """`user_of(id)`: the role of a user now, None where he is gone."""

    def look(id):
        with as_tenant(merchant):
            return db.session.scalar(select(User.role).where(User.id == id))

    return look


def link_on(answer):
    """The path of the sign-in link that the page shows."""
    return urlsplit(read(answer.text).one("span", class_="secret").words).path


def choose(browser, password):
    return browser.post("/settings/password", data={"password": password, "password_again": password})


# Inviting and links


def invite(browser, **form):
    return browser.post("/settings/users", data={"name": "Ümit Ünal", "role": "clerk", **form})


def test_an_invited_user_gets_in_by_the_link_and_chooses_a_password(admin, browser, open_browser, merchant):
    email = f"new-{merchant.email}"
    shown = invite(admin, email=email)
    assert shown.status_code == 200
    link = link_on(shown)
    assert link not in admin.get("/settings/users").text  # shown once

    assert "Ümit Ünal" in browser.get(link).text
    assert browser.get("/documents/").status_code == 302  # to look signs nobody in: mail scanners do
    used = browser.post(link)
    assert used.headers["Location"] == "/settings/password"
    assert choose(browser, "a password of mine").status_code == 302
    answer = open_browser().post("/sign-in", data={"email": email, "password": "a password of mine"})
    assert answer.status_code == 302


def test_a_link_works_once(admin, browser, open_browser, merchant):
    link = link_on(invite(admin, email=f"new-{merchant.email}"))
    assert browser.post(link).status_code == 302
    for again in (open_browser().get(link), open_browser().post(link)):
        assert again.status_code == 410
        assert "This link was used already." in read(again.text).words


def test_of_two_at_once_one_uses_the_link(admin, open_browser, merchant):
    link = link_on(invite(admin, email=f"new-{merchant.email}"))
    together, answers = threading.Barrier(4, timeout=SECONDS), []

    def use():
        one = open_browser()
        together.wait()
        answers.append(one.post(link).status_code)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(answers) == [302, 410, 410, 410]


def test_a_link_expires(admin, browser, as_tenant, merchant):
    link = link_on(invite(admin, email=f"new-{merchant.email}"))
    with as_tenant(merchant):
        db.session.execute(update(SignInLink).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        db.session.commit()
    for answer in (browser.get(link), browser.post(link)):
        assert answer.status_code == 410
        assert "This link has expired." in read(answer.text).words
    assert browser.get("/documents/").status_code == 302


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00", "ü", "' OR 1=1 --", "a" * 5000])
def test_an_unknown_link_says_so(browser, token):
    for answer in (browser.get(f"/sign-in/{token}"), browser.post(f"/sign-in/{token}")):
        assert answer.status_code == 410
        assert "This link is not known." in read(answer.text).words


def test_only_the_hash_of_a_link_is_kept(admin, as_tenant, merchant):
    token = link_on(invite(admin, email=f"new-{merchant.email}")).rpartition("/")[2]
    with as_tenant(merchant):
        (kept,) = db.session.scalars(select(SignInLink.token_hash)).all()
    assert len(token) >= 43 and token not in kept


def test_a_new_link_for_somebody_who_forgot_his_password(admin, hire, browser):
    id, _ = hire()
    first, link = (link_on(admin.post(f"/settings/users/{id}/link")) for _ in range(2))
    page = read(browser.post(first).text)
    assert "This link has expired." in page.words  # the newer one took its place
    assert browser.post(f"{link}?next=//evil.example").headers["Location"] == "/settings/password"
    assert browser.get("/documents/").status_code == 200
    assert "You signed in by a link." in read(browser.get("/settings/password").text).words
    assert choose(browser, "a password of mine").status_code == 302
    # From here on he knows it, and is asked for it again.
    assert read(choose(browser, "another of mine").text).error_of("present")


def test_who_came_by_a_link_long_ago_is_asked_for_the_present_password(admin, hire, browser, monkeypatch):
    id, _ = hire()
    browser.post(link_on(admin.post(f"/settings/users/{id}/link")))
    monkeypatch.setattr(session, "FORGOTTEN_SECONDS", -1)
    browser.post(link_on(admin.post(f"/settings/users/{id}/link")))
    assert read(choose(browser, "a password of mine").text).error_of("present")


def test_the_machine_gives_a_link_to_whom_nobody_else_can_give_one(app, browser, merchant):
    run = app.test_cli_runner().invoke
    link = run(args=["sign-in-link", merchant.email.upper()])
    assert link.exit_code == 0
    assert browser.post(urlsplit(link.output.strip()).path).headers["Location"] == "/settings/password"
    refused = run(args=["sign-in-link", "nobody@example.com"])
    assert refused.exit_code == 1 and "Nobody signs in with nobody@example.com." in refused.output


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "\0"}, "name"),
        ({"email": "no address"}, "email"),
        ({"email": "x" * 250 + "@example.com"}, "email"),
        ({"role": "king"}, "role"),
        ({"role": "operator"}, "role"),
    ],
)
def test_an_invitation_that_is_not_accepted_says_why(admin, as_tenant, merchant, form, field):
    answer = invite(admin, **{"email": f"new-{merchant.email}", **form})
    assert answer.status_code == 422
    assert read(answer.text).all("div", id=f"{field}-error")[0].words
    with as_tenant(merchant):
        assert db.session.scalar(select(func.count(User.id))) == 1


def test_a_mail_address_signs_in_one_person_of_all_tenants(admin, make_tenant, merchant):
    for taken in (merchant.email.upper(), make_tenant().email):
        answer = invite(admin, email=taken)
        assert answer.status_code == 422
        assert "Somebody signs in with this e-mail address already." in read(answer.text).error_of("email")


# Roles


CHANGES = [
    ("GET", "/credentials/new"),
    ("POST", "/credentials/"),
    ("GET", "/credentials/{credential}"),
    ("POST", "/credentials/{credential}"),
    ("POST", "/credentials/{credential}/test"),
    ("POST", "/credentials/{credential}/delete"),
    ("GET", "/platforms/new"),
    ("POST", "/platforms/"),
    ("GET", "/shipments/carriers/new"),
    ("POST", "/shipments/carriers/new"),
    ("GET", "/shipments/carriers/{carrier}"),
    ("POST", "/shipments/carriers/{carrier}"),
    ("POST", "/shipments/carriers/{carrier}/delete"),
    ("GET", "/settings/users"),
    ("POST", "/settings/users"),
    ("POST", "/settings/users/{user}/role"),
    ("POST", "/settings/users/{user}/link"),
    ("POST", "/settings/users/{user}/delete"),
    ("GET", "/settings/tenants/new"),
    ("POST", "/settings/tenants"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_clerk_changes_nothing(hire, as_tenant, merchant, method, path):
    _, clerk = hire()
    with as_tenant(merchant):
        carrier = db.session.scalar(text("SELECT min(id) FROM carrier"))
    path = path.format(credential=merchant.credential_id, user=merchant.user_id, carrier=carrier)
    answer = clerk.open(path, method=method)
    assert answer.status_code == 403
    assert "Your role does not allow this." in read(answer.text).words


@pytest.mark.parametrize("path", ["/", "/documents/", "/held/", "/shipments/", "/addresses/", "/platforms/", "/jobs/"])
def test_a_clerk_works_with_orders(hire, path):
    _, clerk = hire()
    assert clerk.get(path).status_code == 200


def test_a_clerk_is_offered_nothing_he_may_not(hire):
    _, clerk = hire()
    for page in ("/platforms/", "/credentials/", "/shipments/carriers", "/"):
        links = read(clerk.get(page).text).links
        assert not [link for link in links if link.endswith("/new") or link == "/settings/users"], page


def test_roles_are_given_and_taken(admin, hire, user_of):
    id, other = hire()
    assert other.get("/settings/users").status_code == 403
    assert admin.post(f"/settings/users/{id}/role", data={"role": "admin"}).status_code == 302
    assert other.get("/settings/users").status_code == 200
    admin.post(f"/settings/users/{id}/role", data={"role": "clerk"})
    assert user_of(id) == Role.CLERK


@pytest.mark.parametrize("role", ["operator", "king", "", None])
def test_nobody_gives_more_than_he_has(admin, hire, user_of, role):
    id, _ = hire()
    assert admin.post(f"/settings/users/{id}/role", data={"role": role} if role is not None else {}).status_code == 422
    assert user_of(id) == Role.CLERK


def test_an_administrator_leaves_operators_alone(admin, hire, user_of):
    id, _ = hire(Role.OPERATOR)
    for path in ("role", "link", "delete"):
        assert admin.post(f"/settings/users/{id}/{path}", data={"role": "clerk"}).status_code == 403
    assert user_of(id) == Role.OPERATOR


def test_nobody_changes_himself(admin, merchant, user_of):
    for path in ("role", "link", "delete"):
        answer = admin.post(f"/settings/users/{merchant.user_id}/{path}", data={"role": "clerk"})
        assert answer.status_code == 422
        assert "This is yourself." in read(answer.text).words
    assert user_of(merchant.user_id) == Role.ADMIN


def test_the_last_administrator_stays(as_tenant, merchant):
    """The pages let nobody change himself; this is the rule behind them, for two who change each other."""
    with as_tenant(merchant):
        user = db.session.get_one(User, merchant.user_id)
        with pytest.raises(service.LastAdmin, match="This is the last administrator"):
            service.change_role(user, Role.CLERK)
        with pytest.raises(service.LastAdmin):
            service.remove_user(user)


def test_two_administrators_who_remove_each_other_leave_one(app, admin, hire, as_tenant, merchant):
    id, other = hire(Role.ADMIN)
    together, answers = threading.Barrier(2, timeout=SECONDS), []

    def remove(browser, whom):
        together.wait()
        answers.append(browser.post(f"/settings/users/{whom}/delete").status_code)

    threads = [
        threading.Thread(target=remove, args=(admin, id)),
        threading.Thread(target=remove, args=(other, merchant.user_id)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert 302 in answers and not [status for status in answers if status >= 500], answers
    with as_tenant(merchant):
        assert db.session.scalar(select(func.count(User.id)).where(User.role == Role.ADMIN)) == 1


def test_a_removed_users_open_pages_ask_to_sign_in(admin, hire):
    id, other = hire()
    link = link_on(admin.post(f"/settings/users/{id}/link"))
    assert admin.post(f"/settings/users/{id}/delete").status_code == 302
    assert other.get("/documents/").headers["Location"].startswith("/sign-in")
    assert other.get(link).status_code == 410


# Tenants


def new_tenant(browser, **form):
    wanted = {"company": "Neue GmbH", "time_zone": "America/New_York", "user_name": "Nora Neu", **form}
    return browser.post("/settings/tenants", data=wanted)


def test_an_operator_makes_a_tenant_and_sees_its_secret_once(make_tenant, client_of, app, browser):
    operator = make_tenant(role="operator")
    desk = client_of(operator)
    assert desk.get("/settings/tenants/new").status_code == 200
    number, email = f"K-{operator.email[6:14]}", f"nora-{operator.email}"
    answer = new_tenant(desk, customer_number=number, email=email)
    assert answer.status_code == 200
    secret, link = [span.words for span in read(answer.text).all("span", class_="secret")]
    client_id = read(answer.text).grid["Client ID"]

    token = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert app.test_client().post("/cloud/oauth/token", data=token).status_code == 200
    for page in ("/", "/settings/users", "/credentials/", "/settings/tenants/new"):
        assert secret not in desk.get(page).text

    assert browser.post(urlsplit(link).path).headers["Location"] == "/settings/password"
    users = read(browser.get("/settings/users").text)
    assert [row[1:3] for row in users.rows] == [[email, "Administrator"]]
    assert read(browser.get("/platforms/new").text).fields["name"] == f"Amazon {number}"
    assert client_id in browser.get("/credentials/").text
    assert secret not in browser.get("/credentials/").text


@pytest.mark.parametrize("taken", ["customer_number", "email"])
def test_a_taken_number_or_address_leaves_nothing_behind(make_tenant, client_of, app, taken):
    operator = make_tenant(role="operator")
    desk = client_of(operator)
    form = {"customer_number": f"K-{operator.email}", "email": f"nora-{operator.email}"}
    assert new_tenant(desk, **form).status_code == 200

    def count():
        with app.app_context():
            return db.session.execute(
                text("SELECT (SELECT count(*) FROM portal_tenant_ids()), (SELECT count(*) FROM cloud_account_ids())")
            ).one()

    before = count()
    other = {name: value if name == taken else f"other-{value}"[:30] for name, value in form.items()}
    answer = new_tenant(desk, **other)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.error_of(taken)
    assert page.fields["company"] == "Neue GmbH" and page.fields["time_zone"] == "America/New_York"
    assert count() == before


def test_an_administrator_makes_no_tenants(admin):
    assert admin.get("/settings/tenants/new").status_code == 403
    assert new_tenant(admin, customer_number="1", email="a@example.com").status_code == 403
