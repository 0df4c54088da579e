"""Tracking numbers are stored in one spelling, and a number that looks like another carrier's is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.shipments import tracking


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("0034 0434 1234 5678 9012", "00340434123456789012"),
        ("\t1Z 999 AA1 01 2345 6784\n", "1Z999AA10123456784"),
        ("0500\u00a01234\u202f567890\u200b", "05001234567890"),
        ("\ufeffH1001234567890123456", "H1001234567890123456"),
        ("  ", ""),
    ],
)
def test_spaces_and_what_cannot_be_seen_are_left_out(typed, stored):
    assert tracking.normalise(typed) == stored


@given(st.text())
def test_a_number_that_is_normalised_stays_as_it_is(typed):
    once = tracking.normalise(typed)
    assert tracking.normalise(once) == once


@pytest.mark.parametrize("number", ["123\n456", "12\x003", "1\x7f2", "12\ud8003", "12\u202e3", "1\t2"])
def test_line_breaks_and_control_characters_are_found(number):
    assert tracking.unprintable(tracking.normalise(number))


@pytest.mark.parametrize(
    ("number", "carriers"),
    [
        ("00340434123456789012", ("DHL",)),
        ("JJD000390007882823921", ("DHL",)),
        ("05001234567890", ("DPD", "GLS", "Hermes")),
        ("1Z999AA10123456784", ("UPS",)),
        ("ZABC1234", ("GLS",)),
        ("1234567890123456", ("Hermes",)),
        ("RR123456789DE", ("DHL", "Deutsche Post")),
        ("anything else", ()),
        ("٠١٢٣٤٥٦٧٨٩٠١٢٣", ()),
    ],
)
def test_common_numbers_are_recognised(number, carriers):
    assert tracking.looks_like(number) == carriers


def test_a_number_of_another_carrier_is_suspicious_and_one_of_an_unknown_kind_is_not():
    assert tracking.other_carriers("1Z999AA10123456784", "DHL") == ("UPS",)
    assert tracking.other_carriers("00340434123456789012", "DHL") == ()
    assert tracking.other_carriers("what-is-this", "DHL") == ()
    assert tracking.other_carriers("1Z999AA10123456784", "Other") == ()
