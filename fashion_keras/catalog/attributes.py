"""Attributes: the label groups of catalogs in Kaggle's layout, and how `--task` names groups."""

from collections import Counter

from fashion_keras.catalog.label_sources import ColumnSource as ColumnSource
from fashion_keras.catalog.label_sources import TitleSource as TitleSource
from fashion_keras.catalog.tasks import TASKS, get_task
from fashion_keras.catalog.tasks import AttributeGroup as AttributeGroup
from fashion_keras.catalog.tasks import ProductType as ProductType
from fashion_keras.support.errors import InputError, unknown_name_error

_APPAREL = ProductType("apparel", "master_category", ("Apparel",))
_ACCESSORY = ProductType("accessory", "master_category", ("Accessories",))
_FOOTWEAR = ProductType("footwear", "master_category", ("Footwear",))
_WATCH = ProductType("watch", "article_type", ("Watches",))


def _titled(name: str, kind: str, *applies_to: ProductType) -> AttributeGroup:
    return AttributeGroup(name, kind, TitleSource(name), applies_to)


# Titles of shoes name patterns that their images do not show, so pattern leaves footwear out.
KAGGLE_GROUPS = (
    *map(get_task, ("article_type", "gender", "base_colour", "season", "usage")),
    _titled("pattern", "multi", _APPAREL, _ACCESSORY),
    _titled("material", "multi", _APPAREL, _ACCESSORY, _FOOTWEAR),
    _titled("neck", "single", _APPAREL),
    _titled("sleeve", "single", _APPAREL),
    _titled("display", "single", _WATCH),
    _titled("fit", "single", _APPAREL),
    _titled("heel", "single", _FOOTWEAR),
)

ALL_ATTRIBUTES = "attributes"  # the name of all groups that a catalog has
SEPARATORS = {"bar": "|", "semicolon": ";", "comma": ","}
_LABELS = "labels:"


def parse_task(task: str) -> tuple[AttributeGroup, ...]:
    """Return the groups that `--task` names: all for "attributes", else one or several with commas between.

    `column:NAME` is a column whose values are classes, `labels:NAME` one whose cells hold several labels with bars,
    semicolons or commas between; `labels:NAME:comma` declares which.

    >>> [(group.name, group.kind) for group in parse_task("pattern,column:brand,labels:cloth")]
    [('pattern', 'multi'), ('column:brand', 'single'), ('labels:cloth', 'multi')]

    Raises:
        InputError: for an unknown name, with the nearest one, or a name given twice.
    """
    if task == ALL_ATTRIBUTES:
        return KAGGLE_GROUPS
    names = [name.strip() for name in task.split(",")]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"task {repeated[0]!r} is named twice in {task!r}; name it once")
    return tuple(_get_group(name, all_known=len(names) == 1) for name in names)


def _get_group(name: str, all_known: bool) -> AttributeGroup:
    groups = {group.name: group for group in (*TASKS, *KAGGLE_GROUPS)}
    if name.startswith(_LABELS) and name != _LABELS:
        column, _, ending = name.removeprefix(_LABELS).rpartition(":")
        source = ColumnSource(column, SEPARATORS[ending]) if ending in SEPARATORS and column else None
        return AttributeGroup(name, "multi", source or ColumnSource(name.removeprefix(_LABELS)))
    if name.startswith("column:") and name != "column:":
        return get_task(name)
    if name not in groups:
        known = [*groups, "column:NAME", f"{_LABELS}NAME", *([ALL_ATTRIBUTES] if all_known else [])]
        raise unknown_name_error("task", name, known)
    return groups[name]
