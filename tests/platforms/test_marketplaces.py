"""Marketplaces as people name them."""

from __future__ import annotations

import pytest

from portal.marketplaces import (
    BY_COUNTRY,
    MARKETPLACES,
    MixedRegions,
    UnknownCountry,
    format_countries,
    parse_countries,
    region_of,
)

DE, UK, PL = "A1PA6795UKMFR9", "A1F83G8C2ARO7P", "A1C3SOZRARQ6R3"


@pytest.fixture(autouse=True)
def _request(app):
    with app.test_request_context():
        yield


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("DE;UK;PL", [DE, UK, PL]),
        ("de, uk", [DE, UK]),
        ("DE UK", [DE, UK]),
        ("pl;de", [PL, DE]),
        ("DE;;UK;", [DE, UK]),
        ("  de\t/ pl | uk ", [DE, PL, UK]),
        ("DE;de;De", [DE]),
        ("GB", [UK]),
        ("UK;GB", [UK]),
    ],
)
def test_what_people_type(typed, ids):
    assert parse_countries(typed) == ids


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("DE;XX", "“XX”"),
        ("Germany", "“Germany”"),
        ("DE-UK", "“DE-UK”"),
        ("ÐE", "“ÐE”"),
        (DE, f"“{DE}”"),
        ("x" * 500, "“" + "x" * 20 + "”"),
        ("", "Name at least one country"),
        (" ;, ", "Name at least one country"),
    ],
)
def test_a_country_without_a_marketplace_is_named(typed, named):
    with pytest.raises(UnknownCountry, match=named):
        parse_countries(typed)


@pytest.mark.parametrize(("typed", "groups"), [("DE;US", "DE | US"), ("US DE UK JP", "US | DE, UK | JP")])
def test_two_regions_are_two_platforms(typed, groups):
    with pytest.raises(MixedRegions) as refused:
        parse_countries(typed)
    assert str(refused.value).endswith(f"Make a platform for each: {groups}.")


def test_what_is_shown_can_be_typed_again():
    for region in ("eu", "na", "fe"):
        ids = [marketplace.id for marketplace in MARKETPLACES if marketplace.region == region]
        assert parse_countries(format_countries(ids)) == ids
        assert region_of(ids) == region


def test_an_id_that_is_not_known_stands_for_itself():
    assert format_countries([DE, "A0NEW"]) == "DE;A0NEW"
    with pytest.raises(UnknownCountry):
        region_of([DE, "A0NEW"])
    with pytest.raises(UnknownCountry):
        region_of([])


def test_no_id_and_no_country_is_there_twice():
    assert len({marketplace.id for marketplace in MARKETPLACES}) == len(MARKETPLACES)
    assert len(BY_COUNTRY) == len(MARKETPLACES) + 1  # the United Kingdom has two codes
