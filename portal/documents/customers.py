"""Which customer each buyer of a page is: one that is known, or a new one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.addresses.matching import MatchRule, key_of
from portal.documents.plan import Draft


@dataclass(slots=True)
class Customer:
    """An address that is there, or that will be once the page is written."""

    address_id: int | None = None


class Customers:
    """The customers of a page, told draft by draft, in the order of arrival.

    An address that stands in for the buyer's decides, else the reference, else the rule's key; a buyer whom
    none of them knows is new. So a page becomes the
    same addresses as its orders would one by one. `references` and `keys` tell which addresses are known.
    """

    def __init__(self, rule: MatchRule, references: Mapping[str, int], keys: Mapping[str, int]) -> None:
        self._rule = rule
        self._by_reference = {reference: Customer(id) for reference, id in references.items()}
        self._by_key = {key: Customer(id) for key, id in keys.items()}
        self.new: list[tuple[Draft, Customer]] = []
        self.references: dict[str, Customer] = {}  # that were not known before

    def is_new(self, draft: Draft) -> bool:
        """True if an address has to be made for the draft's buyer."""
        if draft.address_id is not None or draft.buyer_reference in self._by_reference:
            return False
        return key_of(self._rule, draft.customer) not in self._by_key

    def add(self, draft: Draft) -> None:
        """Take in a draft that becomes a document."""
        reference = draft.buyer_reference
        if draft.address_id is not None or reference in self._by_reference:
            return
        key = key_of(self._rule, draft.customer)
        customer = self._by_key.get(key)
        if customer is None:
            customer = Customer()
            self.new.append((draft, customer))
            if key:
                self._by_key[key] = customer
        self._by_reference[reference] = self.references[reference] = customer

    def address_of(self, draft: Draft) -> int:
        """The address of a draft that was added. Raises LookupError before the page's new addresses are written."""
        if draft.address_id is not None:
            return draft.address_id
        address_id = self._by_reference[draft.buyer_reference].address_id
        if address_id is None:
            raise LookupError("The address of a new customer is not written yet.")
        return address_id
