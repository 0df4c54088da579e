"""Every text a person reads stands in both languages."""

from __future__ import annotations

import re
import tomllib
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

PROJECT = Path(__file__).resolve().parents[1]
GERMAN = PROJECT / "portal" / "translations" / "de" / "LC_MESSAGES"
KEYWORDS = {**DEFAULT_KEYWORDS, "_l": None, "lazy_gettext": None, "sentence": None}

# Names and signs that are the same in every language.
NOT_WORDS = {"Kontor", "Enter", "Esc"}


@pytest.fixture(scope="module")
def german() -> Catalog:
    with (GERMAN / "messages.po").open("rb") as file:
        return read_po(file, locale="de")


def texts() -> set[str | tuple[str, ...]]:
    """What the sources mark for translation."""
    mappings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(mapping["pattern"], mapping["method"]) for mapping in mappings]
    options = {mapping["pattern"]: {k: v for k, v in mapping.items() if k == "silent"} for mapping in mappings}
    found = extract_from_dir(PROJECT, methods, options, KEYWORDS)
    return {message for _file, _line, message, _comments, _context in found}


def test_every_text_is_translated(german: Catalog) -> None:
    missing = []
    for text in texts():
        message = german.get(text[0] if isinstance(text, tuple) else text)
        if message is None or not message.string or not all(message.string) or message.fuzzy:
            missing.append(text)
    assert not missing


def test_nothing_is_translated_that_is_no_longer_said(german: Catalog) -> None:
    said = {text[0] if isinstance(text, tuple) else text for text in texts()}
    assert {_first(message) for message in german if message.id} == said


def test_translations_name_the_same_values(german: Catalog) -> None:
    for message in german:
        if message.id:
            wanted = _values(message.id if isinstance(message.id, str) else message.id[-1])
            for string in [message.string] if isinstance(message.string, str) else message.string:
                assert _values(string) == wanted, message.id


def test_what_is_compiled_is_what_is_written(german: Catalog) -> None:
    compiled = BytesIO()
    write_mo(compiled, german)
    compiled.seek(0)
    with (GERMAN / "messages.mo").open("rb") as file:
        kept = read_mo(file)
    assert {_first(m): m.string for m in kept if m.id} == {_first(m): m.string for m in read_mo(compiled) if m.id}


@pytest.mark.parametrize(
    "template",
    sorted(p for p in (PROJECT / "portal/templates").rglob("*.html") if p.parent.name != "sandbox"),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_no_template_says_anything_untranslated(template: Path) -> None:
    # A macro that holds attributes only is read as what it is: inside of a tag.
    text = re.sub(r"{% macro in_list.*?endmacro %}", "", template.read_text(), flags=re.S)
    text = re.sub(r"{#.*?#}|{{.*?}}|{%.*?%}", "", text, flags=re.S)
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
    spoken = re.findall(r'\b(?:title|aria-label|placeholder|alt)="([^"]*)"', text)
    spoken += re.sub(r"<[^>]*>", "\n", re.sub(r"<kbd>.*?</kbd>", "", text)).split("\n")
    words = {word.strip() for word in spoken if re.search(r"[A-Za-zÄÖÜäöü]{2,}", word)}
    assert {re.sub(r"^[\s·]+|[\s·]+$", "", word) for word in words} - NOT_WORDS - {"028-1234567-1234567"} == set()


@pytest.mark.parametrize(("asked", "heading"), [("de-DE,de;q=0.9", "Anmelden"), ("fr", "Sign in"), ("", "Sign in")])
def test_the_browser_chooses_the_language(app, make_tenant, asked: str, heading: str) -> None:
    make_tenant()
    page = app.test_client().get("/sign-in", headers={"Accept-Language": asked}).text
    assert f">{heading}</h1>" in page


def test_the_users_choice_wins_over_the_browsers(make_tenant, client_of) -> None:
    client = client_of(make_tenant())
    client.post("/settings/language", data={"language": "de", "next": "/"})
    assert "Übersicht" in client.get("/", headers={"Accept-Language": "en"}).text


def _first(message: Message) -> str:
    return str(message.id if isinstance(message.id, str) else message.id[0])


def _values(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]", text))
