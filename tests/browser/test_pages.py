"""Every page as people see it: nothing in the console, nothing axe finds, nothing that scrolls sideways.

`pytest tests/browser --screenshots DIR` writes a picture of each page, at both widths and in both themes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from tests.browser import walking
from tests.browser.conftest import Installation, opened
from tests.reading import read

WIDE, PHONE = 1440, 390
# Without pictures the two looks that differ most are looked at, and axe, which takes its time, sees each page
# in one of them.
LOOKS = [(WIDE, "light"), (PHONE, "dark")]
ALL_LOOKS = [(width, theme) for width in (WIDE, PHONE) for theme in ("light", "dark")]
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Rows are alike: of a long table axe reads the first ones.
LOOKED_INTO = {"include": ["html"], "exclude": ["tbody tr:nth-child(n+11)"]}
# On a phone a cell sets its pieces beside each other, each as narrow as it can be: it must be one piece.
CROWDED = """() => [...document.querySelectorAll(".table-cards [data-label]")]
    .filter((cell) => [...cell.childNodes].filter((piece) => piece.textContent.trim()).length > 1)
    .map((cell) => cell.textContent.trim()).slice(0, 3)"""
KINDS = ("plain", "several", "business", "discount", "gift", "shipping", "pln", "gbp", "fba", "replacement")

PAGES = {
    "dashboard": "/",
    "documents": "/documents/",
    "documents-none": "/documents/?q=nothing-like-it",
    "document": "/documents/{document}",
    "ask": "/documents/ask?order_id={order}",
    "ask-unknown": "/documents/ask?order_id=028-0000000-0000000",
    "held": "/held/",
    "held-order": "/held/{held}",
    "view-new": "/lists/views/new?address=/documents/%3Fstate=open",
    "shipments": "/shipments/",
    "carriers": "/shipments/carriers",
    "carrier": "/shipments/carriers/{carrier}",
    "addresses": "/addresses/",
    "address": "/addresses/{address}",
    "address-merge": "/addresses/{address}/merge",
    "address-pair": "/addresses/{address}/merge?number={other}",
    "matching": "/addresses/matching",
    "doubles": "/addresses/doubles",
    "merges": "/addresses/merges",
    "statuses": "/addresses/statuses",
    "status": "/addresses/statuses/{status}",
    "status-new": "/addresses/statuses/new",
    "numbers": "/addresses/numbers",
    "range": "/addresses/numbers/{range}",
    "articles": "/masterdata/articles/",
    "article": "/masterdata/articles/{article}",
    "article-new": "/masterdata/articles/new",
    "articles-import": "/masterdata/articles/import",
    "articles-preview": "/masterdata/articles/import/preview",
    "ledger": "/addresses/numbers/{range}/ledger",
    "ledger-check": "/addresses/numbers/{range}/ledger/check",
    "platforms": "/platforms/",
    "platform": "/platforms/{platform}",
    "platform-new": "/platforms/new",
    "platform-edit": "/platforms/{platform}/edit",
    "platform-defaults": "/platforms/{platform}/defaults",
    "platform-articles": "/platforms/{platform}/articles",
    "platform-articles-missing": "/platforms/{platform}/articles/missing",
    "platform-articles-import": "/platforms/{platform}/articles/import",
    "platform-articles-preview": "/platforms/{platform}/articles/import/preview",
    "platform-disconnect": "/platforms/{platform}/disconnection",
    "masterdata": "/masterdata/",
    "payment-methods": "/masterdata/payment-methods/",
    "payment-method": "/masterdata/payment-methods/{payment_method}",
    "payment-terms": "/masterdata/payment-terms/",
    "payment-terms-new": "/masterdata/payment-terms/new",
    "shipping-methods": "/masterdata/shipping-methods/",
    "tax-codes": "/masterdata/tax-codes/",
    "tax-code": "/masterdata/tax-codes/{tax_code}",
    "tax-rates": "/masterdata/tax-rates/",
    "tax-rates-none": "/masterdata/tax-rates/?country=CH",
    "tax-rate": "/masterdata/tax-rates/{tax_rate}",
    "tax-rate-new": "/masterdata/tax-rates/new",
    "tax-rates-eu": "/masterdata/tax-rates/eu",
    "taxes": "/masterdata/taxes",
    "credentials": "/credentials/",
    "credential": "/credentials/{credential}",
    "credential-new": "/credentials/new",
    "actions": "/actions/",
    "actions-run": "/actions/{actions}",
    "actions-which": "/actions/assistant/scope?area=documents",
    "actions-what": "/actions/assistant/steps?area=platforms&kind=all",
    "actions-summary": "/actions/assistant/summary?area=platforms&kind=all&presets=refresh",
    "actions-refused": "/actions/assistant/summary?area=platforms&kind=all&presets=download_one",
    "schemas": "/actions/schemas",
    "tasks": "/tasks/",
    "task": "/tasks/{task}",
    "task-edit": "/tasks/{task}/edit",
    "task-new": "/tasks/new",
    "task-run": "/tasks/runs/{task_run}",
    "task-runs": "/tasks/runs/",
    "task-runs-none": "/tasks/runs/?outcome=error",
    "retention": "/tasks/runs/retention",
    "messages": "/actions/{actions}/messages",
    "services": "/services/",
    "service": "/services/{service}",
    "service-edit": "/services/{service}/edit",
    "jobs": "/jobs/",
    "job": "/jobs/{job}",
    "users": "/settings/users",
    "notifications": "/settings/notifications",
    "password": "/settings/password",
    "tenant-new": "/settings/tenants/new",
    "documents-long": f"/documents/?q={'long' * 40}",
    "search": "/search?q=A0",
    "search-none": "/search?q=nothing-like-it",
}
BEFORE_SIGN_IN = {"sign-in": "/sign-in", "link": "/sign-in/unknown"}


@dataclass(frozen=True)
class Stock:
    """A merchant who has orders of each kind: the cookies of his browser, and an id for each page."""

    cookies: StorageState
    ids: dict[str, str]


@pytest.fixture(scope="module")
def stock(installation: Installation, chromium: Browser) -> Iterator[Stock]:
    with opened(chromium, []) as context:
        ids = stocked(installation, context)
        yield Stock(context.storage_state(), ids)


@pytest.fixture
def ids(stock: Stock) -> dict[str, str]:
    return stock.ids


@pytest.fixture
def cookies(stock: Stock) -> StorageState:
    """The tests' browser is that of the merchant, signed in."""
    return stock.cookies


def stocked(installation: Installation, context: BrowserContext) -> dict[str, str]:
    """Sign in, have orders of each kind and all else that pages show; return an id for each page."""
    amazon, url, page = installation.amazon, installation.url, context.new_page()
    if not walking.is_set_up(url):
        walking.set_up(page, url)
        walking.create_platform(page, url, "DE;UK;PL")
        walking.consent(context, page).close()
    else:
        walking.sign_in(page, url)
    page.goto(f"{url}/held/")
    if page.locator("tr[data-href]").count() == 0:
        amazon.place("mix", 60, spread_days=20)
        for kind in KINDS:
            amazon.place_one(kind)
        wrong = amazon.order(amazon.place_one("plain"))
        wrong["proceeds"]["grandTotal"]["amount"] = "1.23"
        amazon.place_raw(wrong)
        page.goto(f"{url}/platforms/")
        page.locator("tr[data-href] a").first.click()
        page.get_by_role("button", name="Fetch now").click()
        expect(page.locator("#run")).to_contain_text("Done")
        # The run may have been the one before: it was there when the collector had not come yet.
        walking.until(page, f"{url}/held/", page.locator("tr[data-href]").first)
    articles = f"{url}/masterdata/articles"
    page.goto(f"{articles}/")
    if page.locator("tr[data-href]").count() == 0:
        walking.preview_lines(page, articles, "number;title\nA-1;Lamp\n=A;")
        page.get_by_role("button", name="Import 2 lines").click()
        expect(page.get_by_text("Imported: 2 new")).to_be_visible()
    walking.preview_lines(page, articles, "number;title;tax class\nA-1;Lamp, red;\nA-2;Table;luxury\nA-3;Chair;zero")
    page.goto(f"{url}/actions/schemas")
    if page.get_by_role("row", name="Every morning").count() == 0:
        page.goto(f"{url}/actions/assistant/summary?area=platforms&kind=all&presets=refresh&presets=retry_held")
        page.locator("summary", has_text="Save as schema").click()
        page.get_by_label("Name of the schema").fill("Every morning")
        page.get_by_role("button", name="Save as new schema").click()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator("#run")).to_contain_text("Done")
        page.goto(f"{url}/tasks/new")
        page.get_by_role("button", name="Save").click()  # the assistant of the first service
        page.get_by_label("Name").fill("Morning")
        page.get_by_label("Starts", exact=True).select_option(label="Weekly")
        page.get_by_label("Friday").check()
        expect(page.locator("#starts li")).to_have_count(5)
        page.get_by_label("Schema").first.select_option(label="Every morning")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Run next").click()
        expect(page.locator("#run")).to_contain_text("Done")
    page.goto(f"{url}/tasks/")
    page.locator("tr[data-href] a").first.click()
    run_of_task = re.findall(r"\d+", page.locator("tr[data-href]").first.get_attribute("data-href") or "")[-1]
    lists = {
        "task": "/tasks/",
        "actions": "/actions/",
        "article": "/masterdata/articles/",
        "document": "/documents/",
        "held": "/held/",
        "address": "/addresses/",
        "status": "/addresses/statuses",
        "range": "/addresses/numbers",
        "platform": "/platforms/",
        "credential": "/credentials/",
        "carrier": "/shipments/carriers",
        "payment_method": "/masterdata/payment-methods/",
        "tax_code": "/masterdata/tax-codes/",
        "tax_rate": "/masterdata/tax-rates/",
        "job": "/jobs/",
        "service": "/services/",
    }
    found = {"task_run": run_of_task}
    for name, path in lists.items():  # asked without being shown
        listed = read(context.request.get(url + path).text()).all("tr")
        address = next(row.attributes["data-href"] for row in listed if "data-href" in row.attributes)
        found[name] = re.findall(r"\d+", address)[-1]
    page.goto(f"{url}/addresses/")
    found["other"] = page.locator("tr[data-href] th").nth(1).inner_text()
    of_platform = f"{url}/platforms/{found['platform']}/articles"
    walking.preview_lines(page, of_platform, "sku;article\nLAMP-1;A-1\nLAMP-2;A-9")
    found["order"] = amazon.place_one("plain")
    return found


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Iterator[Path | None]:
    folder = request.config.getoption("--screenshots")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    yield Path(folder) if folder else None


@pytest.mark.timeout(600)  # some fifty pages, each at two looks
def test_no_page_keeps_anybody_out(
    installation: Installation, page: Page, ids: dict[str, str], pictures: Path | None
) -> None:
    problems = []
    for name, path in PAGES.items():
        problems += look_at(page, installation.url + path.format(**ids), name, pictures)
    page.context.clear_cookies()  # the session that ends is no other test's
    walking.sign_in(page, installation.url)
    page.get_by_role("button", name="Olga Owner").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    for name, path in BEFORE_SIGN_IN.items():
        problems += look_at(page, installation.url + path, name, pictures)
    assert not problems, "\n".join(problems)


def test_article_numbers_are_offered_while_one_is_typed(
    installation: Installation, page: Page, ids: dict[str, str]
) -> None:
    page.goto(f"{installation.url}/platforms/{ids['platform']}/articles")
    page.get_by_label("SKU").first.fill("LAMP-0")
    number = page.get_by_label("Article number").first
    number.press_sequentially("lam")
    expect(page.locator("#numbers option")).to_have_count(1)
    assert page.locator("#numbers option").get_attribute("value") == "A-1"
    number.fill("A-1")
    number.press("Enter")
    expect(page.get_by_role("row", name="LAMP-0 A-1 Lamp")).to_be_visible()
    page.get_by_role("button", name="Remove LAMP-0").click()
    expect(page.get_by_text("The assignment is removed.")).to_be_visible()


def test_a_dry_run_and_a_question_have_the_focus(installation: Installation, page: Page, ids: dict[str, str]) -> None:
    page.set_viewport_size({"width": PHONE, "height": 900})
    page.goto(f"{installation.url}/platforms/{ids['platform']}/defaults")
    page.get_by_role("button", name="Try out").click()
    expect(page.get_by_role("region", name="Dry run")).to_be_focused()
    page.goto(f"{installation.url}/platforms/{ids['platform']}?import=ask")
    expect(page.get_by_role("link", name="No", exact=True)).to_be_focused()
    question, words = page.get_by_role("dialog").bounding_box(), page.locator("dialog .card-body").bounding_box()
    assert question and words and question["height"] - words["height"] < 50, "the question is as high as its words"


@pytest.fixture
def complaints() -> list[str]:
    """A link that is not known answers 410, a step that makes no sense 422: the console names both errors."""

    class Forgiving(list[str]):
        def append(self, complaint: str) -> None:
            if "410" not in complaint and "422" not in complaint:
                super().append(complaint)

    return Forgiving()


def look_at(page: Page, url: str, name: str, pictures: Path | None) -> list[str]:
    problems = []
    page.goto(url)
    if name == "dashboard":
        page.wait_for_load_state("networkidle")
    page.evaluate(AXE_SCRIPT)
    # A page is first seen as the one before it was last: half of the changes, each of which lays all out anew.
    looks = ALL_LOOKS if pictures else sorted(LOOKS, key=lambda look: look[0] != (page.viewport_size or {})["width"])
    judged = looks if pictures else [LOOKS[crc32(name.encode()) % len(LOOKS)]]
    for width, theme in looks:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # or axe meets colours on their way
        if pictures:
            page.screenshot(path=pictures / f"{name}-{width}-{theme}.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            problems.append(f"{name} at {width}: scrolls sideways")
        if width == PHONE and (crowded := page.evaluate(CROWDED)):
            problems.append(f"{name} at {width}: cells of several pieces squeeze them: {crowded}")
        if (width, theme) not in judged:
            continue
        found = page.evaluate("([where, rules]) => axe.run(where, rules)", [LOOKED_INTO, RULES])["violations"]
        if found:
            problems.append(f"{name} at {width}, {theme}:\n{walking.describe(found)}")
    return problems


def test_columns_are_chosen_by_keyboard_and_rows_are_ticked(
    installation: Installation, page: Page, ids: dict[str, str]
) -> None:
    page.goto(f"{installation.url}/held/")
    page.locator("summary", has_text="Columns").focus()
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name="Cause").focus()
    page.keyboard.press("Space")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Cause")).to_have_count(0)
    page.locator("summary", has_text="Columns").click()
    page.keyboard.press("Escape")
    expect(page.locator("details[open]")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("status").filter(has_text="1 selected")).to_be_visible()
    page.locator("summary", has_text="Export").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Selected, as CSV").focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert len(Path(download.value.path()).read_text().splitlines()) == 2
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Try again")).to_be_enabled()
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("button", name="As at first").click()
    expect(page.get_by_role("columnheader", name="Cause")).to_be_visible()


def test_the_keys_are_shown_by_a_key(installation: Installation, page: Page, ids: dict[str, str]) -> None:
    page.goto(f"{installation.url}/documents/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_back_and_another_language_find_a_page_behind_a_refused_form(
    installation: Installation, page: Page, ids: dict[str, str]
) -> None:
    """The answer to a form stands at an address that takes forms only."""
    form = f"{installation.url}/platforms/new"
    page.goto(form)
    page.get_by_label("Marketplaces").fill("XX")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Amazon has no marketplace “XX”.")).to_be_visible()
    expect(page).to_have_url(form)
    page.goto(f"{installation.url}/documents/")
    page.go_back()
    expect(page.get_by_label("Marketplaces")).to_be_visible()
    page.get_by_label("Marketplaces").fill("XX")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Amazon has no marketplace “XX”.")).to_be_visible()
    page.get_by_role("button", name="Deutsch").click()
    expect(page).to_have_url(form)
    page.get_by_role("button", name="English").click()


def test_a_list_is_sorted_on_a_phone(installation: Installation, page: Page, ids: dict[str, str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{installation.url}/shipments/carriers")
    page.get_by_role("table").get_by_role("link", name="Name", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?sort=-name$"))
    expect(page.get_by_role("table").get_by_role("link").nth(2)).to_have_text("UPS")


def test_a_list_is_asked_once_for_each_way_it_is_narrowed(
    installation: Installation, page: Page, ids: dict[str, str]
) -> None:
    """Leaving the search asks nothing again: the answer would close the menu that was just opened."""
    page.goto(f"{installation.url}/documents/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/documents/?" in request.url else None)
    page.fill("#q", "nothing-like-it")
    expect(page.locator("#list table")).to_have_count(0)
    page.press("#q", "Tab")
    page.fill("#q", "")
    expect(page.locator("#list table")).to_be_visible()
    with page.expect_response(re.compile("state=open")):
        page.select_option("#filter-state", "open")
    with page.expect_response(re.compile("since=2020-01-01")):
        page.fill("#filter-since", "2020-01-01")
    assert len(asked) == 3, asked


def test_the_schemas_of_an_action_are_narrowed_by_keyboard_and_nothing_typed_is_lost(
    installation: Installation, page: Page, ids: dict[str, str]
) -> None:
    page.goto(f"{installation.url}/tasks/new")
    page.get_by_label("Name").fill("Evening")
    page.get_by_label("Title").first.fill("Once more")
    area, function, schema = (page.get_by_label(label, exact=True).first for label in ("Area", "Function", "Schema"))
    schema.select_option(label="Every morning")
    area.focus()
    page.keyboard.press("P")  # Platforms
    expect(function.locator("option")).to_have_count(1 + 6)
    expect(area).to_be_focused()
    expect(schema.locator("option:checked")).to_have_text("Every morning")
    page.keyboard.press("Tab")
    page.keyboard.press("D")  # Download documents from the platform
    expect(schema.locator("option")).to_have_count(1)
    expect(page.get_by_text("There is no such schema yet.").first).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("0 schemas to choose from")
    expect(function).to_be_focused()
    assert (page.get_by_label("Name").input_value(), page.get_by_label("Title").first.input_value()) == (
        "Evening",
        "Once more",
    )
