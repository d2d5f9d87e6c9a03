"""How much a finished run's answers depend on how its pictures reach it (gutierrez2019, section 3.1 and table 2)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.test_subset import scorable_rows, select_rows
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.evaluation.metrics import classification
from fashion_keras.evaluation.metrics.selective_prediction import clopper_pearson_interval
from fashion_keras.evaluation.plots import charts, intervals
from fashion_keras.features.runtime import load_classifier
from fashion_keras.images.corruptions import CORRUPTIONS, apply_all
from fashion_keras.images.decode import ImageSpec, decode
from fashion_keras.images.pipeline import prefetch
from fashion_keras.models.classifier import AnyPredictions, Classifier, make_predictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.atomic_files import read_json, write_csv, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

COLUMNS = (
    "run", "head", "condition", "products", "accuracy", "low", "high", "accuracy_change", "agreement",
    "confidence_change", "pixel_change",
)  # fmt: skip
_TOGETHER = 16  # pictures, each under all conditions


@dataclass(frozen=True)
class _Flip:
    """A product whose class is another under a condition: the truth, what was said as usual and then, how surely."""

    id: int
    path: str
    truth: str
    condition: int
    usual: tuple[str, float]
    then: tuple[str, float]


@dataclass(frozen=True)
class _Judged:
    """What was found of one run: what it was judged by, which products, its rows of the report, the surest flips."""

    about: dict[str, Any]
    ids: tuple[int, ...]
    rows: list[dict[str, Any]]
    flips: list[_Flip]
    image_spec: ImageSpec


def robustness(
    runs: str | Path | Sequence[str | Path],
    data: str | None = None,
    part: str = "auto",
    limit: int | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Show products to one or several finished runs under each of `images.conditions.CONDITIONS`.

    Args:
        runs: finished run folders; of runs with several heads, those are judged whose labels exclude each other.
        data: as `train` takes it, perhaps the same products in larger pictures; None for each run's own catalogue.
        part: which products, see `evaluation.products.choose`.
        limit: at most so many of them, drawn at random, the same in each call.
        out: folder for robustness.csv, .json and .png and, if any class flips, worst.png: the surest flip under each
            condition (of several runs worst-1.png, worst-2.png, ...); None writes nothing.

    Returns:
        "conditions" {name: what is done}; "differ": in which of "products" and "task" the runs are not judged alike;
        "runs" [{run, task, catalog, part, counts, reasons, heads_left_out, ids_in_training, resized}]; "rows", one per
        run, head and condition, with COLUMNS: accuracy and its exact 95 % interval low..high (Clopper & Pearson 1934),
        which has a width at accuracy 1 too; and against the reference, the run's own way to decode: accuracy_change,
        the share of equal answers (agreement), the mean change of confidence, the mean absolute change of a pixel in
        0..255.
        counts {test, rejected, beyond_limit, other_parts} add up to all rows and files of the catalogue;
        ids_in_training counts products whose ids the run was trained on; resized: whether resizers changed any picture.

    Raises:
        InputError: when a run or its catalogue cannot be used, a run is named twice, no product is left, or no head
            gives one class.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit is 1 or more, not {limit}")
    folders = [Path(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    if len(set(folders)) < len(folders):
        raise InputError(f"a run is named twice: {', '.join(map(str, folders))}")
    judged = [_judge(run, data, part, limit) for run in folders]
    report = {
        "conditions": {condition.name: condition.description for condition in CORRUPTIONS},
        "differ": _differ(judged),
        "runs": [one.about for one in judged],
        "rows": [row for one in judged for row in one.rows],
    }
    if out is not None:
        _write(Path(out), report, judged)
    return report


def by_head(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return (run, head) -> its rows, the reference first."""
    series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        series.setdefault((row["run"], row["head"]), []).append(row)
    return series


def _differ(judged: Sequence[_Judged]) -> list[str]:
    alike = {"products": {one.ids for one in judged}, "task": {one.about["task"] for one in judged}}
    return [name for name, values in alike.items() if len(values) > 1]


def _judge(run: Path, data: str | None, part: str, limit: int | None) -> _Judged:
    classifier = load_classifier(run)
    origin = read_json(run / "origin.json")
    catalog = read_catalog(resolve_dataset(data or origin["data"])[0])
    chosen, part = select_rows(catalog, origin, part)
    drawn = np.sort(np.random.default_rng(0).permutation(chosen)[:limit])
    products, truth = scorable_rows(catalog, drawn, classifier)
    logits, moved = _ask(classifier, products.paths.tolist())
    said = [_heads(make_predictions(classifier.spec, one, products.ids, truth)) for one in logits]
    if not said[0]:
        raise InputError(f"{run}: no head whose labels exclude each other and whose truth {catalog.folder} tells")
    trained = [*origin["parts"]["train"], *origin["parts"]["validation"]]
    about = {
        "run": str(run),
        "task": classifier.spec.task,
        "catalog": str(catalog.folder),
        "part": part,
        "counts": {
            "test": len(products),
            "rejected": len(products.rejected),
            "beyond_limit": len(chosen) - len(drawn),
            "other_parts": len(catalog) - len(chosen),
        },
        "reasons": dict(Counter(row.reason for row in products.rejected).most_common()),
        "heads_left_out": [one.name for one in classifier.spec.groups if one not in [head.group for head in said[0]]],
        "ids_in_training": int(np.isin(products.ids, trained).sum()),
        "resized": any(change > 0 for condition, change in zip(CORRUPTIONS, moved, strict=True) if condition.resizes),
    }
    ids = tuple(sorted(products.ids.tolist()))
    return _Judged(about, ids, _rows(run, said, moved), _flips(said, products), classifier.spec.image_spec)


def _ask(classifier: Classifier, paths: list[str]) -> tuple[NDArray[np.float32], list[float]]:
    """Return logits [c, n, K] of n pictures under c conditions, and c times how far a pixel moves in the mean."""
    logits, moved = [], []
    parts = [paths[at : at + _TOGETHER] for at in range(0, len(paths), _TOGETHER)]
    with ProgressBar("showing pictures", len(paths)) as bar:
        for pixels in prefetch(_shown(part, classifier.spec.image_spec) for part in parts):
            count, conditions = pixels.shape[:2]
            moved.append(np.abs(pixels - pixels[:, :1].astype(np.int16)).mean(axis=(2, 3, 4)))
            said = classifier.logits(pixels.reshape(-1, *pixels.shape[2:]))
            logits.append(said.reshape(count, conditions, -1))
            bar.advance(count)
    return np.concatenate(logits).swapaxes(0, 1), np.concatenate(moved).mean(axis=0).tolist()


def _shown(paths: list[str], spec: ImageSpec) -> NDArray[np.uint8]:
    return np.stack([apply_all(decode(path, None), spec) for path in paths])


def _heads(said: AnyPredictions) -> list[Predictions]:
    """Return what was said in each single-valued group, of the products whose truth is known, if any is."""
    if isinstance(said, Predictions):
        return [said]
    heads = [said.of(group.name) for group in said.groups if group.kind == "single"]
    return [head.take(head.truth >= 0) for head in heads if (head.truth >= 0).any()]


def _rows(run: Path, said: list[list[Predictions]], moved: list[float]) -> list[dict[str, Any]]:
    return [
        {
            "run": str(run),
            "head": usual.group.name,
            "condition": condition.name,
            **_scores(then, usual),
            "pixel_change": change,
        }
        for condition, heads, change in zip(CORRUPTIONS, said, moved, strict=True)
        for then, usual in zip(heads, said[0], strict=True)
    ]


def _scores(then: Predictions, usual: Predictions) -> dict[str, float]:
    """Compare what was said of n products under a condition with what is said as usual."""
    answers, before = then.probabilities.argmax(axis=1), usual.probabilities.argmax(axis=1)
    accuracy = classification.accuracy(then.truth, answers)
    low, high = clopper_pearson_interval(np.sum(answers == then.truth), np.array(len(answers))).tolist()
    return {
        "products": len(answers),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "accuracy_change": accuracy - classification.accuracy(usual.truth, before),
        "agreement": classification.accuracy(before, answers),
        "confidence_change": float(np.mean(then.probabilities.max(axis=1) - usual.probabilities.max(axis=1))),
    }


def _flips(said: list[list[Predictions]], products: Catalog) -> list[_Flip]:
    """Return the surest flip under each condition that has any."""
    paths = dict(zip(products.ids.tolist(), products.paths.tolist(), strict=True))
    found = [
        flip
        for number, heads in enumerate(said)
        for then, usual in zip(heads, said[0], strict=True)
        for flip in _flips_of(number, then, usual, paths)
    ]
    surest = {flip.condition: flip for flip in sorted(found, key=lambda flip: flip.then[1])}
    return [surest[number] for number in sorted(surest)]


def _flips_of(number: int, then: Predictions, usual: Predictions, paths: dict[int, str]) -> Iterator[_Flip]:
    rows = np.flatnonzero(then.probabilities.argmax(axis=1) != usual.probabilities.argmax(axis=1))
    changed, before = then.take(rows), usual.take(rows)
    tops = zip(before.top(1), changed.top(1), strict=True)
    for product, code, ((was,), (says,)) in zip(changed.ids.tolist(), changed.truth, tops, strict=True):
        yield _Flip(product, paths[product], then.classes[code], number, was, says)


def _write(folder: Path, report: dict[str, Any], judged: list[_Judged]) -> None:
    write_csv(folder / "robustness.csv", COLUMNS, report["rows"])
    write_json(folder / "robustness.json", report)
    intervals.accuracies(folder / "robustness.png", by_head(report["rows"]))
    for number, one in enumerate(judged, start=1):
        if one.flips:
            _draw_worst(folder / (f"worst-{number}.png" if len(judged) > 1 else "worst.png"), one)


def _draw_worst(path: Path, judged: _Judged) -> None:
    """Draw each flip as one picture: as usual on the left, under the condition on the right."""
    pictures, captions = [], []
    for flip in judged.flips:
        shown = apply_all(decode(flip.path, None), judged.image_spec)
        pictures.append(np.hstack([shown[0], shown[flip.condition]]))
        said = {"as usual": flip.usual, CORRUPTIONS[flip.condition].name: flip.then}
        lines = [f"{how}: {label} {share:.0%}" for how, (label, share) in said.items()]
        captions.append("\n".join([f"{flip.id} is {flip.truth}", *lines]))
    title = "The surest other class under each condition: as usual on the left, changed on the right"
    charts.contact_sheet(path, pictures, captions, columns=4, title=title)
