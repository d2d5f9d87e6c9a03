"""Commands `index` and `search`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_keras.commands.arguments import Commands, add_command, given_values, print_json
from fashion_keras.search.config import IndexConfig, SearchConfig
from fashion_keras.support.atomic_files import check_png_path

if TYPE_CHECKING:
    from fashion_keras.search.matches import Match

_SHOWN = ("gender", "base_colour", "article_type")


def add(commands: Commands) -> None:
    """Add the commands `index` and `search`."""
    description = "Encode a catalog's images and build, update or replace an index of their embeddings."
    summary = "build a searchable index of a catalog's images"
    add_command(commands, "index", IndexConfig, _index, summary, description)
    description = "Print the products whose images are most similar to an image, and draw them on a contact sheet."
    summary = "find products whose images are similar to an image"
    add_command(commands, "search", SearchConfig, _search, summary, description, ("image",))


def _index(options: argparse.Namespace) -> None:
    config = IndexConfig(**given_values(options, IndexConfig))
    from fashion_keras.search.indexing import build_index, open_index, update_index
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    if config.update:
        index = open_index(config.out)
        result = asdict(update_index(index, config.data)) | {"images": len(index)}
    else:
        index = build_index(
            config.data, config.encoder, config.out, config.weights, config.image_size, config.overwrite
        )
        result = index.stats()
    if options.json:
        print_json(result)
        return
    for name in ("images", "products", "added", "updated", "deleted", "rejected", "encoder", "width", "bytes"):
        if name in result:
            print(f"{name:12}{result[name]}")
    print(f"{'index':12}{index.name}")


def _search(options: argparse.Namespace) -> None:
    config = SearchConfig(**given_values(options, SearchConfig))
    sheet = Path(config.out or "search.png") if config.out or not options.json else None
    if sheet:
        check_png_path(sheet)
    from fashion_keras.search.similar import search_similar

    distinct = not config.keep_duplicates
    matches = search_similar(
        config.image, config.k, config.index, config.filters(), exclude_self=distinct, collapse_duplicates=distinct,
        group_by_product=config.group_by_product,
    )  # fmt: skip
    if options.json:
        print_json({"query": config.image, "matches": [asdict(match) for match in matches]})
    else:
        _print_matches(matches)
    if sheet:
        _draw_matches(sheet, config.image, matches, config.index)
        if not options.json:
            print(f"contact sheet  {sheet}")


def _print_matches(matches: "list[Match]") -> None:
    if not matches:
        print("no product matches")
    for match in matches:
        shared = ", ".join(match.shared_attributes) or "-"
        images = f", {match.matched} images" if match.matched > 1 else ""
        print(f"{match.rank:>3}  {match.score:.3f}  {match.image_id:>8}  {_describe(match):40}  same {shared}{images}")


def _describe(match: "Match") -> str:
    return " ".join(str(match.attributes[column]) for column in _SHOWN if column in match.attributes)


def _draw_matches(path: Path, image: str, matches: "list[Match]", location: str) -> None:
    """Draw the query and its matches; a product whose image file is gone is left out of the sheet."""
    from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
    from fashion_keras.images.decode import ImageSpec, decode
    from fashion_keras.search.indexing import open_index
    from fashion_keras.search.similar import is_file

    query, title = image, Path(image).name
    if not is_file(image):
        index = open_index(location)
        query, title = str(index.lookup(index.find(image)).paths[0]), f"product {image}"
    cells = [(query, f"query\n{title}")] if Path(query).is_file() else []
    cells += [
        (match.path, f"{match.rank}. cosine {match.score:.3f}\n{_describe(match)}\n{match.image_id}")
        for match in matches
        if Path(match.path).is_file()
    ]
    if cells:
        images = [decode(file, ImageSpec(224, 168)) for file, _ in cells]
        heading = f"Products most similar to {title}, by cosine similarity of their embeddings"
        contact_sheet(path, images, [caption for _, caption in cells], columns=6, title=heading)
