"""Drift found and not found: halves of a catalog, seasons, years, more footwear, and tags of newer products.

python benchmarks/drift.py --data DIR --out FILE
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import print_table

from fashion_keras import TaggerConfig, build_index, drift, train_tagger
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.corrections import Correction, append_corrections
from fashion_keras.catalog.product_hashes import uniform_numbers
from fashion_keras.search.base import Index, Records
from fashion_keras.search.indexing import index_catalog
from fashion_keras.search.local import LocalIndex

HALVES, REVIEWED = 5, 500
NEW_YEAR = 2012  # products from then on are new


def main() -> None:
    """Index the catalog, compare parts of it, and print a row for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file for the rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        index = build_index(options.data, out=home / "all")
        parts = Parts(home, index)
        rows = [
            _row(name, drift({"new": parts.make(new), "against": parts.make(against)}))
            for name, new, against in comparisons(parts.catalog)
        ]
        print_table("drift between parts of a catalog", rows, options.out)
        rows = list(tagged_comparisons(parts))
        print_table(f"a tagger of products before {NEW_YEAR}, target precision 0.9", rows, None)


class Parts:
    """Indexes of parts of an index."""

    def __init__(self, home: Path, index: Index) -> None:
        self.home, self.index, self.catalog, self.made = home, index, index_catalog(index), 0
        self.records: Records = index.lookup(index.ids())

    def make(self, mask: np.ndarray) -> Path:
        """Return the folder of an index of the images in `mask` [n] bool."""
        self.made += 1
        place = self.home / f"part-{self.made}"
        LocalIndex.create(place, self.index.spec, self.records.take(np.flatnonzero(mask)))
        return place


def comparisons(catalog: Catalog) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, new and reference images, masks [n] bool, of each comparison; products stay whole."""
    products = catalog.product_groups.tolist()
    for seed in range(HALVES):
        first = uniform_numbers(products, seed, "halves") < 0.5
        yield f"halves, seed {seed}", first, ~first
    half = uniform_numbers(products, 0, "halves") < 0.5
    footwear, thin = catalog.columns["master_category"] == "Footwear", uniform_numbers(products, 7, "thin")
    share = footwear[half].mean()
    for target in (1.3 * share, 0.4, share + 0.3):
        # The other products are thinned out until footwear has that share.
        left = share * (1 - target) / (target * (1 - share))
        mask = half & (footwear | (thin < left))
        yield f"footwear {footwear[~half].mean():.0%} to {footwear[mask].mean():.0%}", mask, ~half
    season, year = catalog.columns["season"], catalog.columns["year"]
    yield "winter against summer", season == "Winter", season == "Summer"
    yield f"{NEW_YEAR} and later against before", year >= NEW_YEAR, year < NEW_YEAR


def tagged_comparisons(parts: Parts) -> Iterator[dict[str, Any]]:
    """Train a tagger on two thirds of the older products; compare other ones, and newer ones, with the last third."""
    catalog, old = parts.catalog, parts.catalog.columns["year"] < NEW_YEAR
    place = uniform_numbers(catalog.product_groups.tolist(), 3, "thirds")
    table = parts.home / "old.csv"
    catalog.take(old & (place < 2 / 3)).to_frame().drop(columns=["image_id", "product_group"]).to_csv(
        table, index=False
    )
    config = TaggerConfig(data=str(table), target_precision=0.9, out=str(parts.home / "tagger"), allow_outside=True)
    tagger = train_tagger(config).folder
    reference = parts.make(old & (place >= 2 / 3) & (place < 5 / 6))
    for name, mask in (("others of before", old & (place >= 5 / 6)), ("newer ones", ~old)):
        reviewed = _write_decisions(parts.home / f"{name}.csv", catalog.take(mask))
        report = drift(
            {"new": parts.make(mask), "against": reference, "tagger": str(tagger), "corrections": str(reviewed)}
        )
        for row in report["precision"]["attributes"]:
            states = next(each for each in report["labels"] if (each["name"], each["kind"]) == (row["name"], "states"))
            released = states["shares"].get("released", [0, 0])
            yield {
                "new products": name,
                "outliers": _text(report["outliers"]["share"], report["outliers"]["share_ci95"]),
                "attribute": row["name"],
                "tagged, reference": f"{released[0]:.3f}",
                "tagged, new": f"{released[1]:.3f}",
                "precision": _text(row["precision"], row["precision_ci95"]),
                "target": row["target"] or "-",
            }


def _write_decisions(path: Path, catalog: Catalog) -> Path:
    """Write decisions on random products, which accept the labels of the catalog."""
    rows = np.random.default_rng(0).choice(len(catalog), min(REVIEWED, len(catalog)), replace=False)
    for column in ("gender", "usage", "base_colour", "season"):
        labels = catalog.columns[column]
        append_corrections(
            path,
            [
                Correction(
                    sku=str(catalog.skus[row]), column=column, before=str(labels[row]), after="", action="accept"
                )
                for row in rows
                if labels[row]
            ],
        )
    return path


def _row(name: str, report: dict[str, Any]) -> dict[str, Any]:
    labels = max(
        (row for row in report["labels"] if row["not_measured"] is None), key=lambda row: row["total_variation"]
    )
    return {
        "comparison": name,
        "products": f"{report['new']['products']:,} / {report['against']['products']:,}",
        "classifier accuracy": _text(report["classifier"]["accuracy"], report["classifier"]["accuracy_ci95"]),
        "p": f"{report['classifier']['p']:.2g}",
        "MMD2": f"{report['mmd']['mmd2']:.4f}",
        "MMD p": f"{report['mmd']['p']:.3f}",
        "outliers": _text(report["outliers"]["share"], report["outliers"]["share_ci95"]),
        "largest label shift": f"{labels['name']} {labels['total_variation']:.3f}",
        "labels that fired": sum(bool(row["drift"]) for row in report["labels"]),
        "drift": "yes" if report["drift"] else "no",
    }


def _text(value: float | None, interval: tuple[float, float] | None) -> str:
    return "-" if value is None else "{:.3f} ({:.3f}-{:.3f})".format(value, *interval)


if __name__ == "__main__":
    main()
