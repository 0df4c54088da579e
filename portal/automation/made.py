"""What fetches and area actions made: the documents and parcels that the lists show for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from portal.automation.models import ActionResult, Made, Run
from portal.documents.models import IntakePage, Receipt
from portal.extensions import db
from portal.lists import is_among

# A list filtered by what made its rows goes no further than this.
MOST = 10_000
# So many fetches are named; actions on thousands of documents may start one each.
MOST_FETCHES = 20


@dataclass(frozen=True)
class Results:
    """What a run of area actions made: how many of each kind, and its first fetches."""

    counts: Mapping[Made, int]
    fetches: Sequence[Run]


def results_of(actions_ids: Collection[int]) -> dict[int, Results]:
    """What each of these runs of area actions made."""
    counts, fetches = _counted(actions_ids), _fetches(actions_ids)
    return {id: Results(counts[id], fetches[id]) for id in actions_ids}


def by_fetch(*fetch_ids: int) -> Sequence[int]:
    """The ids of the documents that these fetches created, one more than MOST at most."""
    pages = db.session.scalars(select(IntakePage.id).where(is_among(IntakePage.run_id, fetch_ids))).all()
    if not pages:
        return []
    found: Sequence[int] = db.session.scalars(
        select(Receipt.document_id)
        # The index of block ranges serves the range; what it finds beside these pages is dropped.
        .where(Receipt.page_id >= min(pages), Receipt.page_id <= max(pages), is_among(Receipt.page_id, pages))
        .where(Receipt.event == "created")
        .limit(MOST + 1)
    ).all()
    return found


def by_actions(actions_id: int) -> Sequence[int]:
    """The ids of the documents that area actions made, by themselves or by the fetches they asked for."""
    return sorted({*_ids(actions_id, Made.DOCUMENT), *by_fetch(*_ids(actions_id, Made.FETCH))})


def parcels_by_actions(actions_id: int) -> Sequence[int]:
    """The ids of the parcels that area actions reported."""
    return _ids(actions_id, Made.PARCEL)


def _fetches(actions_ids: Collection[int]) -> dict[int, list[Run]]:
    of_one = func.row_number().over(partition_by=ActionResult.action_run_id, order_by=ActionResult.record_id)
    ranked = (
        select(ActionResult.action_run_id, ActionResult.record_id, of_one.label("rank"))
        .where(is_among(ActionResult.action_run_id, actions_ids), ActionResult.kind == Made.FETCH)
        .subquery()
    )
    query = select(ranked.c.action_run_id, Run).join(Run, Run.id == ranked.c.record_id)
    fetches: dict[int, list[Run]] = {id: [] for id in actions_ids}
    for id, run in db.session.execute(query.where(ranked.c.rank <= MOST_FETCHES).order_by(Run.id)):
        fetches[id].append(run)
    return fetches


def _counted(actions_ids: Collection[int]) -> dict[int, Counter[Made]]:
    """Of a fetch the documents count as well."""
    query = (
        select(
            ActionResult.action_run_id,
            ActionResult.kind,
            func.count(),
            func.coalesce(func.sum(Run.created), 0),
        )
        .outerjoin(Run, (Run.id == ActionResult.record_id) & (ActionResult.kind == Made.FETCH))
        .where(is_among(ActionResult.action_run_id, actions_ids))
        .group_by(ActionResult.action_run_id, ActionResult.kind)
    )
    counts: dict[int, Counter[Made]] = {id: Counter() for id in actions_ids}
    for id, kind, number, created in db.session.execute(query):
        counts[id].update({kind: number})
        counts[id].update({Made.DOCUMENT: created})
    return counts


def _ids(actions_id: int, kind: Made) -> Sequence[int]:
    found: Sequence[int] = db.session.scalars(
        select(ActionResult.record_id)
        .where(ActionResult.action_run_id == actions_id, ActionResult.kind == kind)
        .limit(MOST + 1)
    ).all()
    return found
