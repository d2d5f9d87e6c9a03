"""index, search, evaluate-search, map."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.commands.arguments import Commands, add_config_flags, given_values, print_json
from fashion_keras.search.config import IndexConfig, SearchConfig
from fashion_keras.support.atomic_files import check_png_path
from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    from fashion_keras.search.matches import Match

_SHOWN = ("gender", "base_colour", "article_type")
# What a line of the table says: the score's name, and its heading.
_SCORES = (
    ("article_type precision@10 (R >= 10)", "article P@10*"),
    ("article_type precision@10", "article P@10"),
    ("base_colour precision@10", "colour P@10"),
    ("article_type mAP@R", "mAP@R"),
    ("graded nDCG@10", "nDCG@10"),
    ("same_title recall@10", "title R@10"),
)


def add(commands: Commands) -> None:
    """Add index, search, evaluate-search and map."""
    _add_index(commands.add_parser("index", help="build a searchable index of a catalogue's images"))
    _add_search(commands.add_parser("search", help="find products whose images are similar to an image"))
    _add_evaluate(commands.add_parser("evaluate-search", help="score encoders and indexes side by side"))
    _add_map(commands.add_parser("map", help="plot a catalogue's embeddings in two dimensions (PCA or t-SNE)"))


def _add_index(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser, IndexConfig)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_index)


def _index(options: argparse.Namespace) -> None:
    config = IndexConfig(**given_values(options, IndexConfig))
    from fashion_keras.search.indexing import build_index, open_index, update_index
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    if config.update:
        index = open_index(config.out)
        result = asdict(update_index(index, config.data)) | {"products": len(index)}
    else:
        index = build_index(
            config.data, config.encoder, config.out, config.weights, config.image_size, config.overwrite
        )
        result = index.stats()
    if options.json:
        print_json(result)
        return
    for name in ("products", "added", "updated", "deleted", "rejected", "encoder", "width", "bytes"):
        if name in result:
            print(f"{name:12}{result[name]}")
    print(f"{'index':12}{index.name}")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a JPEG, PNG or WebP file, or the id of a product in the index")
    add_config_flags(parser, SearchConfig)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_search)


def _search(options: argparse.Namespace) -> None:
    config = SearchConfig(**given_values(options, SearchConfig))
    sheet = Path(config.out or "search.png") if config.out or not options.json else None
    if sheet:
        check_png_path(sheet)
    from fashion_keras.search.similar import search_similar

    image = int(options.image) if options.image.isdecimal() and not Path(options.image).exists() else options.image
    distinct = not config.keep_duplicates
    matches = search_similar(
        image, config.k, config.index, config.filters(), exclude_self=distinct, collapse_duplicates=distinct
    )
    if options.json:
        print_json({"query": image, "matches": [asdict(match) for match in matches]})
    else:
        _print_matches(matches)
    if sheet:
        _draw_matches(sheet, image, matches, config.index)
        if not options.json:
            print(f"contact sheet  {sheet}")


def _print_matches(matches: "list[Match]") -> None:
    if not matches:
        print("no product matches")
    for match in matches:
        shared = ", ".join(match.shared_attributes) or "-"
        print(f"{match.rank:>3}  {match.score:.3f}  {match.id:>8}  {_describe(match):40}  same {shared}")


def _describe(match: "Match") -> str:
    return " ".join(match.attributes[column] for column in _SHOWN if column in match.attributes)


def _draw_matches(path: Path, image: str | int, matches: "list[Match]", location: str) -> None:
    """Draw the query and its matches; a product whose image file is gone is left out of the sheet."""
    from fashion_keras.evaluation.plots.charts import contact_sheet
    from fashion_keras.images.decode import ImageSpec, decode
    from fashion_keras.search.indexing import open_index

    query, title = image, Path(str(image)).name
    if isinstance(image, int):
        query, title = str(open_index(location).lookup([image]).paths[0]), f"product {image}"
    cells = [(query, f"query\n{title}")] if Path(query).is_file() else []
    cells += [
        (match.path, f"{match.rank}. cosine {match.score:.3f}\n{_describe(match)}\nid {match.id}")
        for match in matches
        if Path(match.path).is_file()
    ]
    if cells:
        images = [decode(file, ImageSpec(224, 168)) for file, _ in cells]
        heading = f"Products most similar to {title}, by cosine similarity of their embeddings"
        contact_sheet(path, images, [caption for _, caption in cells], columns=6, title=heading)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", action="append", default=[], metavar="DIR|URL", help="an index; may be repeated")
    parser.add_argument("--encoder", action="append", default=[], metavar="NAME|DIR", help="may be repeated")
    parser.add_argument("--weights", default="auto", metavar="W", help="of bare backbones (default: auto)")
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument(
        "--part",
        default="held_out",
        metavar="held_out|all|RUN",
        help="which products; of a run, its test part (default: held_out)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    if not options.index and not options.encoder:
        raise InputError("evaluate-search needs an --index or an --encoder")
    from fashion_keras.analysis.retrieval_comparison import evaluate_search
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    said = evaluate_search(options.data, options.index, options.encoder, options.part, options.weights)
    if options.json:
        print_json(said)
        return
    print(f"{said['products']} products ({said['part']}) of {said['data']}, each a query to all others")
    print(f"{'':28}{'width':>6}" + "".join(f"{heading:>22}" for _, heading in _SCORES))
    for row in said["rows"]:
        print(f"{row['name'][-28:]:28}{row['width']:>6}" + "".join(_score(row["scores"][name]) for name, _ in _SCORES))
    print("* queries with ten or more relevant products; in brackets 95 % bootstrap intervals")


def _score(score: dict[str, Any]) -> str:
    if score["value"] is None:
        return f"{'-':>22}"
    low, high = score["ci95"]
    return f"{score['value']:>8.3f} ({low:.3f}-{high:.3f})"


def _add_map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--encoder", default="fashion_small", metavar="NAME|DIR", help="default: fashion_small")
    parser.add_argument("--weights", default="auto", metavar="W", help="of a bare backbone (default: auto)")
    parser.add_argument("--method", default="pca", metavar="pca|tsne", help="default: pca")
    parser.add_argument(
        "--label", default="article_type", metavar="COLUMN", help="what colours the points (default: article_type)"
    )
    parser.add_argument(
        "--part",
        default="all",
        metavar="held_out|all|RUN",
        help="which products; of a run, its test part (default: all)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use about so many products, drawn at random")
    parser.add_argument(
        "--thumbnails", type=int, default=150, metavar="N", help="show at most so many pictures (default: 150)"
    )
    parser.add_argument(
        "--out", default="map.png", metavar="PNG", help="figure; a CSV file is written beside it (default: map.png)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_map)


def _map(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.projection import draw_map
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    names = ("data", "encoder", "out", "method", "label", "part", "limit", "thumbnails", "weights")
    said = draw_map(**{name: getattr(options, name) for name in names})
    if options.json:
        print_json(said)
        return
    kept = said.pop("kept")
    for name, value in said.items():
        print(f"{name.replace('_', ' '):14}{value}")
    if kept is not None:
        print(f"share of variance kept {kept:.3f}")
