"""Mixed calls: public functions called by many threads at once must return what they return one after the other.

python -m tests.trust.mixed_calls --calls 10000 [--threads 16]
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fashion_keras as fk
from fashion_keras.images.validation import reject_unreadable

IMAGES = 40
# Of 100 calls. Those that read a whole catalog, load networks anew or compute gradients are the rare ones.
SHARES = {
    "predict": 14, "embed": 14, "embed text": 8, "search by image": 14, "search by words": 12,
    "search with a filter": 8, "search hybrid": 8, "open index": 6, "tag": 6, "words as classes": 4,
    "transform": 2, "read catalog": 2, "load classifier": 1, "explain": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """What is called: a catalog's folder, the folders of a run and of a tagger, an index of the catalog."""

    data: str
    run: str
    tagger: str
    index: str


def make_shop(folder: Path, run: str | None = None) -> Shop:
    """Make a shop of the drawn sample; `run` is the folder of a run on it, trained here if not given."""
    data, _ = fk.resolve_dataset("sample")
    if run is None:
        settings = {"backbone": "custom_cnn", "image_size": "32x32", "epochs": 1, "min_images": 20, "limit": 300}
        run = fk.train({"data": str(data), **settings, "out": str(folder / "run")}, verbose=0).folder
    tagger = {"data": str(data), "limit": 900, "target_precision": 0.8, "out": str(folder / "tagger")}
    fk.train_tagger(tagger, verbose=0)
    catalog = fk.read_catalog(data)
    fk.build_index(catalog.take(np.arange(200)), out=folder / "index")
    return Shop(str(data), str(run), str(folder / "tagger"), str(folder / "index"))


def make_calls(shop: Shop) -> Mapping[str, Callable[[int], Any]]:
    """Return name -> a call with the number of an image, which returns numbers and texts that can be compared."""
    catalog = reject_unreadable(fk.read_catalog(shop.data))
    paths, skus = catalog.paths[:IMAGES], catalog.skus[:IMAGES].tolist()
    titles = catalog.columns["product_display_name"][:IMAGES].tolist()
    classifier, tagger = fk.load_classifier(shop.run), fk.load_tagger(shop.tagger)
    encoder, transformer = fk.load_encoder("fashion_encoder"), fk.FashionEncoder("fashion_encoder")
    zero_shot = fk.ZeroShotClassifier(encoder, ["shirt", "bag", "shoe"])

    def search(*arguments: Any, **options: Any) -> list[tuple[str, float]]:
        matches = fk.search_similar(*arguments, k=5, index=shop.index, **options)
        return [(match.image_id, match.score) for match in matches]

    return {
        "predict": lambda n: classifier.predict(paths[n]).probabilities,
        "embed": lambda n: encoder.embed([paths[n], paths[n - 1]]),
        "embed text": lambda n: encoder.embed_text(titles[n]),
        "search by image": lambda n: search(paths[n]),
        "search by words": lambda n: search(text=titles[n], without="stripes"),
        "search with a filter": lambda n: search(paths[n], where={"gender": "Women"}),
        "search hybrid": lambda n: search(text=skus[n], hybrid=True),
        "open index": lambda n: len(fk.open_index(shop.index)),
        "tag": lambda n: [str(tags) for tags in tagger.tag(paths[n])],
        "words as classes": lambda n: zero_shot.predict(paths[n]).probabilities,
        "transform": lambda n: transformer.fit([paths[n]]).transform([paths[n]]),
        "read catalog": lambda n: fk.read_catalog(shop.data).skus.tolist(),
        "load classifier": lambda n: fk.load_classifier(shop.run).predict(paths[n]).probabilities,
        "explain": lambda n: fk.explain(shop.run, paths[n])[0].activations[0].heat,
    }


def compare(shop: Shop, count: int, threads: int = 16, seed: int = 0) -> tuple[dict[str, int], list[str]]:
    """Make `count` calls in threads; return how many of each name, and those that differ from serial ones."""
    calls, draw = make_calls(shop), random.Random(seed)
    names = draw.choices(list(SHARES), list(SHARES.values()), k=count)
    work = [(name, draw.randrange(IMAGES)) for name in names]
    expected = {(name, number): calls[name](number) for name, number in sorted(set(work))}

    def differs(item: tuple[str, int]) -> str:
        try:
            result = calls[item[0]](item[1])
            return "" if equal(result, expected[item]) else f"{item}: {result!r:.300} is not {expected[item]!r:.300}"
        except Exception as error:  # noqa: BLE001 - every exception is a finding
            return f"{item}: {error!r:.300}"

    with ThreadPoolExecutor(threads) as pool:
        return dict(Counter(names)), [found for found in pool.map(differs, work) if found]


def equal(first: Any, second: Any) -> bool:
    """Return whether two results are equal: texts and whole numbers exactly, others but for rounding."""
    if isinstance(first, np.ndarray | float):
        return np.shape(first) == np.shape(second) and np.allclose(first, second, rtol=0, atol=1e-5)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def main() -> None:
    """Print how many calls there were of each kind, and which of them differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(Path(folder))
        began = time.perf_counter()
        counts, found = compare(shop, options.calls, options.threads, options.seed)
    for name, count in sorted(counts.items()):
        print(f"{name:<22}{count:>7}")
    print(f"{options.calls} calls, {options.threads} threads, {time.perf_counter() - began:.0f} s; {len(found)} differ")
    print(*found[:20], sep="\n")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
