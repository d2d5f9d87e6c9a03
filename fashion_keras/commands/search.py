"""index, search."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_keras.commands.arguments import Commands, print_json
from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    from fashion_keras.search.similar import Match

_INDEX = "data/index"
_SHOWN = ("gender", "base_colour", "article_type")


def add(commands: Commands) -> None:
    """Add index and search."""
    _add_index(commands.add_parser("index", help="make a catalogue's pictures searchable"))
    _add_search(commands.add_parser("search", help="find products that look like a picture"))


def _add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--encoder", default="fashion_small", metavar="NAME|DIR", help="default: fashion_small")
    parser.add_argument("--weights", default="auto", metavar="W", help="of a bare backbone (default: auto)")
    parser.add_argument("--image-size", metavar="HxW", help="of a bare backbone's input")
    parser.add_argument(
        "--out", default=_INDEX, metavar="DIR|URL", help=f"folder or postgresql://... (default: {_INDEX})"
    )
    parser.add_argument("--update", action="store_true", help="bring the index there up to date with the catalogue")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_index)


def _index(options: argparse.Namespace) -> None:
    from fashion_keras.search.indexing import build_index, open_index, update_index
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    if options.update:
        index = open_index(options.out)
        said = asdict(update_index(index, options.data)) | {"products": len(index)}
    else:
        index = build_index(options.data, options.encoder, options.out, options.weights, options.image_size)
        said = index.stats()
    if options.json:
        print_json(said)
        return
    for name in ("products", "added", "updated", "deleted", "rejected", "encoder", "width", "bytes"):
        if name in said:
            print(f"{name:12}{said[name]}")
    print(f"{'index':12}{options.out}")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a JPEG, PNG or WebP file, or the id of a product in the index")
    parser.add_argument("-k", type=int, default=5, metavar="N", help="how many (default: 5)")
    parser.add_argument("--index", default=_INDEX, metavar="DIR|URL", help=f"default: {_INDEX}")
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE",
        help="only products with this value; several values of a column are alternatives",
    )  # fmt: skip
    parser.add_argument("--keep-duplicates", action="store_true", help="also the query itself, and pictures twice")
    parser.add_argument("--out", type=Path, metavar="PNG", help="contact sheet (default: search.png; none with --json)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_search)


def _search(options: argparse.Namespace) -> None:
    where = _conditions(options.where)
    from fashion_keras.search.similar import search_similar

    image = int(options.image) if options.image.isdecimal() and not Path(options.image).exists() else options.image
    keep = not options.keep_duplicates
    found = search_similar(image, options.k, options.index, where, exclude_self=keep, collapse_duplicates=keep)
    if options.out or not options.json:
        sheet = options.out or Path("search.png")
        _draw(sheet, image, found, options.index)
    if options.json:
        print_json({"query": image, "matches": [asdict(match) for match in found]})
        return
    if not found:
        print("no product matches")
    for match in found:
        shared = ", ".join(match.shared) or "-"
        print(f"{match.rank:>3}  {match.score:.3f}  {match.id:>8}  {_name(match):40}  same {shared}")
    print(f"contact sheet  {sheet}")


def _conditions(given: list[str]) -> dict[str, list[str]]:
    where: dict[str, list[str]] = {}
    for condition in given:
        column, equals, value = condition.partition("=")
        if not (column and equals):
            raise InputError(f"--where is COLUMN=VALUE, such as gender=Women, not {condition!r}")
        where.setdefault(column, []).append(value)
    return where


def _name(match: "Match") -> str:
    return " ".join(match.attributes[column] for column in _SHOWN if column in match.attributes)


def _draw(path: Path, image: str | int, found: "list[Match]", index: str) -> None:
    """Draw the query and what was found; a product whose file is gone is left out of the sheet."""
    from fashion_keras.evaluation.plots.charts import contact_sheet
    from fashion_keras.images.decode import ImageSpec, decode
    from fashion_keras.search.indexing import open_index

    query = image
    if isinstance(image, int):
        query = str(open_index(index).lookup([image]).paths[0])
    pictures = [(query, "query")]
    pictures += [(m.path, f"{m.rank}.  {m.score:.3f}\n{_name(m)}\nid {m.id}") for m in found if Path(m.path).is_file()]
    spec = ImageSpec(224, 168)
    contact_sheet(path, [decode(one, spec) for one, _ in pictures], [text for _, text in pictures], columns=6)
