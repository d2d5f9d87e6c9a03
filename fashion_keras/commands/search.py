"""Commands `index` and `search`."""

from dataclasses import asdict
from pathlib import Path

import fashion_keras
from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.features.batch_folder import BatchFolder, is_batch_folder
from fashion_keras.search.config import IndexConfig, SearchConfig
from fashion_keras.support.atomic_files import check_png_path
from fashion_keras.support.errors import InputError

_SHOWN = ("gender", "base_colour", "article_type")


def add(commands: Commands) -> None:
    """Add the commands `index` and `search`."""
    text = "Encode a catalog's images and build, update or replace an index of their embeddings."
    summary = "build a searchable index of a catalog's images"
    add_command(commands, "index", IndexConfig, _index, _print_index, summary, text)
    text = "Print the products whose images are most similar to an image, a text or both, and draw a contact sheet."
    summary = "find products by an image, by words or by both"
    add_command(
        commands, "search", SearchConfig, _search, _print_matches, summary, text, ("image",), figure="search.png",
        draw=_draw_matches,
    )  # fmt: skip


def _index(config: IndexConfig) -> Report:
    if config.data and is_batch_folder(config.data):
        return _index_batch(config)
    if config.update:
        index = fashion_keras.open_index(config.out)
        return asdict(fashion_keras.update_index(index, config)) | {"images": len(index)}
    index = fashion_keras.build_index(
        config, config.encoder, config.out, config.weights, config.image_size, config.overwrite
    )
    return index.stats()


def _index_batch(config: IndexConfig) -> Report:
    """Make an index of a batch folder, or bring one up to date, which needs no flag: what is there shows which."""
    from fashion_keras.search.from_batch import sync_index

    given = [name for name in ("overwrite", "limit", "corrections", "group") if getattr(config, name)]
    if given:
        raise InputError(f"--{given[0]} is not for the shards of a batch folder: {config.data}")
    summary = sync_index(BatchFolder.open(config.data), config.out)
    return fashion_keras.open_index(config.out).stats() | asdict(summary)


def _print_index(report: Report, config: IndexConfig) -> None:
    for name in ("images", "products", "added", "updated", "deleted", "rejected", "encoder", "width", "bytes"):
        if name in report:
            print(f"{name:12}{report[name]}")
    print(f"{'index':12}{fashion_keras.open_index(config.out).name}")


def _search(config: SearchConfig) -> Report:
    if config.out is not None:
        check_png_path(Path(config.out))
    distinct = not config.keep_duplicates
    matches = fashion_keras.search_similar(
        config.image, config.k, config.text, config.index, config.filters(), text_weight=config.text_weight,
        without=config.without, hybrid=config.hybrid, exclude_self=distinct, collapse_duplicates=distinct,
        group_by_product=config.group_by_product,
    )  # fmt: skip
    return {"query": config.image, "text": config.text, "matches": [asdict(match) for match in matches]}


def _print_matches(report: Report, config: SearchConfig) -> None:
    if not report["matches"]:
        print("no product matches")
    for match in report["matches"]:
        shared = ", ".join(match["shared_attributes"]) or "-"
        # What the query shares is the same of all: known of a product, guessed of an outside image or a text.
        shared += " (guessed from neighbors)" if match["guessed"] else ""
        images = f", {match['matched']} images" if match["matched"] > 1 else ""
        place = f"{match['rank']:>3}  {match['score']:.3f}  {match['image_id']:>8}"
        print(f"{place}  {_describe(match):40}  same {shared}{images}")


def _describe(match: Report) -> str:
    return " ".join(str(match["attributes"][column]) for column in _SHOWN if column in match["attributes"])


def _draw_matches(report: Report, config: SearchConfig) -> bool:
    """Draw the query and its matches, once they are printed; a product whose image file is gone is left out.

    Return whether there is an image to draw; without a match there is none.
    """
    from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
    from fashion_keras.images.decode import decode
    from fashion_keras.images.references import read_reference, reference_state
    from fashion_keras.images.spec import ImageSpec
    from fashion_keras.search.similar import is_file

    if not report["matches"]:
        return False
    query, text = report["query"], report["text"]
    cells, title = [], f'"{text}"' if text else ""
    if query is not None:
        name = Path(query).name
        if not is_file(query):
            index = fashion_keras.open_index(config.index)
            query, name = str(index.lookup(index.find(query)).paths[0]), f"product {query}"
        cells, title = [(query, f"query\n{name}")], f"{name} and {title}" if text else name
    for match in report["matches"]:
        caption = f"{match['rank']}. cosine {match['score']:.3f}\n{_describe(match)}\n{match['image_id']}"
        cells.append((match["path"], caption))
    cells = [(file, caption) for file, caption in cells if reference_state(file)]
    if cells:
        images = [decode(read_reference(file), ImageSpec(224, 168)) for file, _ in cells]
        heading = f"Products most similar to {title}"
        contact_sheet(Path(config.out), images, [caption for _, caption in cells], columns=6, title=heading)
    return bool(cells)
