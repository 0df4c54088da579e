"""Which schema an action of a task runs, chosen as people look for it: an area, what is done there, and the schema.

Area and function are those of the schema, which may be saved over: a task keeps neither of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import gettext as _
from wtforms import SelectChoice

from portal.automation.areas import Preset
from portal.automation.models import Schema
from portal.automation.registry import AREAS

ALL = ""
# What an area does, by the area's name and the preset's.
FUNCTIONS: dict[str, Preset] = {
    f"{area.name}.{preset.name}": preset for area in AREAS.values() for preset in area.presets
}


def functions_of(schema: Schema) -> list[str]:
    """What the schema does, in order."""
    names = (f"{schema.area}.{step['preset']}" for step in schema.steps)
    return [name for name in names if name in FUNCTIONS]


def place_of(schema: Schema) -> tuple[str, str]:
    """Its area and its function, ALL of it where it does several things."""
    functions = functions_of(schema)
    return schema.area, functions[0] if len(functions) == 1 else ALL


def fits(schema: Schema, area: str | None, function: str | None) -> bool:
    return fault(schema, area, function) is None


def fault(schema: Schema, area: str | None, function: str | None) -> str | None:
    """Why it is not a schema of this area and function, None where it is one."""
    if area and schema.area != area:
        label = AREAS[area].label if area in AREAS else area
        return _("“%(name)s” is not a schema of the area %(area)s.", name=schema.name, area=label)
    if function and function not in functions_of(schema):
        label = FUNCTIONS[function].label if function in FUNCTIONS else function
        return _(
            "“%(name)s” is a schema that does something else: not “%(function)s”.", name=schema.name, function=label
        )
    return None


def in_words(schema: Schema) -> str:
    """Its area and what it does, for a person."""
    does = ", ".join(str(FUNCTIONS[name].label) for name in functions_of(schema))
    return _("%(area)s: %(does)s", area=AREAS[schema.area].label, does=does)


def areas_offered() -> list[SelectChoice]:
    return [SelectChoice(ALL, _("All areas")), *(SelectChoice(name, str(area.label)) for name, area in AREAS.items())]


def functions_offered(area: str | None, chosen: str | None) -> list[SelectChoice]:
    """Those of an area, in groups where it is not said which; and the one that is chosen, be it of another."""
    return [
        SelectChoice(ALL, _("Area actions")),
        *(
            SelectChoice(name, str(preset.label), optgroup=_group(name.partition(".")[0], area))
            for name, preset in FUNCTIONS.items()
            if not area or name.startswith(f"{area}.") or name == chosen
        ),
    ]


def schemas_offered(
    schemas: Iterable[Schema], area: str | None, function: str | None, chosen: int | None
) -> list[SelectChoice]:
    """Those that fit, and the one that is chosen, be it another."""
    found = [schema for schema in schemas if schema.id == chosen or fits(schema, area, function)]
    in_order = sorted(found, key=lambda schema: list(AREAS).index(schema.area))
    return [
        SelectChoice(0, "–"),
        *(SelectChoice(schema.id, schema.name, optgroup=_group(schema.area, area)) for schema in in_order),
    ]


def _group(of: str, area: str | None) -> str | None:
    return None if of == area else str(AREAS[of].label)
