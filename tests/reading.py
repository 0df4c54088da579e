"""A page as a person reads it: its words, tables, fields and links."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}


@dataclass
class Element:
    """A tag with what is in it."""

    tag: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The text, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of this tag inside, in order, that bear these attributes (`class_` names one of the classes)."""
        found = [element for element in self._elements if element.tag == tag]
        for name, value in attributes.items():
            found = [element for element in found if element._bears(name, value)]
        return found

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag} {attributes}>"
        return found[0]

    @property
    def rows(self) -> list[list[str]]:
        """The cells of all bodies of tables."""
        return [
            [cell.words for cell in row.inside if isinstance(cell, Element)]
            for body in self.all("tbody")
            for row in body.all("tr")
        ]

    @property
    def grid(self) -> dict[str, str]:
        """Words and their values, of the data grids."""
        titles, values = self.all("dt"), self.all("dd")
        return {title.words: value.words for title, value in zip(titles, values, strict=True)}

    @property
    def fields(self) -> dict[str, str]:
        """What the fields hold, by name: what would be sent."""
        held = {}
        for box in self.all("input"):
            ticked = box.attributes.get("type") not in ("checkbox", "radio") or "checked" in box.attributes
            if "name" in box.attributes and ticked:
                held[box.attributes["name"]] = box.attributes.get("value", "")
        for box in self.all("textarea"):
            held[box.attributes["name"]] = "".join(box._texts()).removeprefix("\r\n")
        for choice in self.all("select"):
            options = choice.all("option")
            chosen = [option for option in options if "selected" in option.attributes] or options[:1]
            held[choice.attributes["name"]] = chosen[0].attributes.get("value", "") if chosen else ""
        return held

    @property
    def ticks(self) -> dict[str, str]:
        """What each row of a list is ticked by, by the row's name."""
        boxes = self.all("input", form="selection", name="id")
        return {box.attributes["aria-label"].removeprefix("Select "): box.attributes["value"] for box in boxes}

    @property
    def links(self) -> list[str]:
        return [link.attributes["href"] for link in self.all("a") if "href" in link.attributes]

    def link(self, words: str) -> str:
        """Where the link with these words in it leads."""
        found = {link.attributes["href"] for link in self.all("a") if words in link.words}
        assert len(found) == 1, f"“{words}” leads to {found}"
        return found.pop()

    def error_of(self, name: str) -> str:
        """The sentence at a field."""
        boxes = [box for tag in ("input", "select", "textarea") for box in self.all(tag, name=name)]
        assert boxes[0].attributes.get("aria-invalid") == "true", f"{name} is not marked"
        return self.one("div", id=f"{boxes[0].attributes['id']}-error").words

    def _bears(self, name: str, value: str) -> bool:
        held = self.attributes.get(name.rstrip("_").replace("_", "-"), None)
        return held is not None and (value in held.split() if name == "class_" else value == held)

    @cached_property
    def _elements(self) -> list[Element]:
        found = []
        for element in self.inside:
            if isinstance(element, Element):
                found.append(element)
                found += element._elements
        return found

    def _texts(self) -> list[str]:
        texts = []
        for piece in self.inside:
            if isinstance(piece, str):
                texts.append(piece)
            elif piece.tag in ("br", "li", "p", "td", "th", "div"):
                texts += [" ", *piece._texts(), " "]
            else:
                texts += piece._texts()
        return texts


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(html: str) -> Element:
    """The page. Tags that are not closed, or closed in the wrong order, are an error."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert [element.tag for element in reader.open] == [""], f"not closed: {[e.tag for e in reader.open[1:]]}"
    return reader.open[0]
