"""An audit of a catalogue's labels: which are likely wrong, and which contradict each other."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.tasks import TaskLabels, get_task
from fashion_keras.evaluation.metrics import label_issues
from fashion_keras.evaluation.metrics.label_issues import NEAR_DUPLICATE, REASONS, SAME_TITLE, LabelIssue
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.features.cache import encode
from fashion_keras.features.registry import DEFAULT_ENCODER, load_encoder
from fashion_keras.images.decode import ImageSpec, decode
from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, is_near_duplicate, thumbnail_signature
from fashion_keras.images.validation import load_catalog
from fashion_keras.support.atomic_files import make_output_dir, write_csv
from fashion_keras.support.errors import InputError

COLUMNS = ("id", "path", "given", "suggested", "score", "reason", "other")
# Of the inverse penalties tried, 0.001 to 0.1, this one found most flipped labels on drawings and photos together.
_INVERSE_PENALTY = 0.01
_PAGE, _PICTURE = 48, ImageSpec(160, 120)


def audit(
    data: str | None = None,
    task: str = "article_type",
    encoder: str = DEFAULT_ENCODER,
    folds: int = 5,
    top: int = 200,
    min_images: int = 20,
    out: str | Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Rank the labels of a catalogue that may be wrong; write audit.csv, audit.png and rejected.csv.

    A label is suspect when a linear classifier on the encoder's vectors, trained on products of other titles, finds
    another label more probable; when another product has the same picture and another label; or the same title and
    another label. See `evaluation.suspicions` for the scores.

    Args:
        data: a catalogue, or "sample"; by default data/ if the Kaggle set is there.
        task: with one label per product.
        encoder: as `load_encoder` takes it. One that learnt from these labels has partly learnt their errors.
        folds: into how many parts, by title, the products are divided.
        top: at most so many suspicions are listed.
        min_images: products of smaller classes, and those without a label, are set aside and counted.
        out: an empty or new folder; by default runs/audit-N.
        seed: of the division.

    Returns:
        out, task, encoder, counts {inputs, audited, without_label, in_small_classes, unusable: audited and the last
        three add up to inputs}, found {reason: products}, and suspicions, the rows of audit.csv.

    Raises:
        InputError: when catalogue, task, encoder or numbers cannot be used, or a class has fewer titles than folds.
    """
    for name, value, least in (("--folds", folds, 2), ("--top", top, 1), ("--min-images", min_images, 1)):
        if value < least:
            raise InputError(f"{name} is a whole number from {least}, not {value}")
    catalog, labels, counts = _labelled(data, task, min_images)
    _check_titles(catalog, labels, folds)
    coder = load_encoder(encoder)
    folder = make_output_dir(out, "runs/audit")
    vectors = np.asarray(encode(catalog, coder).values)
    found = _find_issues(
        catalog, labels.codes, vectors, out_of_fold(vectors, labels.codes, catalog.groups, folds, seed)
    )
    rows = [_row(one, catalog, labels) for one in found[:top]]
    write_csv(folder / "audit.csv", COLUMNS, rows)
    write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
    if rows:
        _draw(folder / "audit.png", rows[:_PAGE])
    by_reason = Counter(one.reason for one in found)
    return {
        "out": str(folder),
        "task": task,
        "encoder": encoder,
        "counts": counts,
        "found": {reason: by_reason[reason] for reason in REASONS},
        "suspicions": rows,
    }


def out_of_fold(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int = 0
) -> NDArray[np.float64]:
    """Return [n, k] float64: for each of `vectors` [n, d], the class probabilities by a classifier that did not see it.

    Logistic regression on standardised vectors; folds are stratified by `codes` [n], and a group is in one fold only.
    """
    # Imported here: scikit-learn takes a second, for which help and errors must not wait.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn brings it

    judge = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000))
    division = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    # The matrices are so small that threads would mostly wait for each other.
    with threadpool_limits(1):
        return cross_val_predict(judge, vectors, codes, groups=groups, cv=division, method="predict_proba")


def _labelled(data: str | None, task: str, min_images: int) -> tuple[Catalog, TaskLabels, dict[str, int]]:
    """Return the products that are audited, their labels, and where all others are."""
    wanted = get_task(task)
    catalog = load_catalog(data)
    known = int(wanted.encode(catalog.columns).known.sum())
    kept = catalog.reject(wanted.encode(catalog.columns, min_images).reasons.tolist())
    counts = {
        "inputs": catalog.inputs,
        "audited": len(kept),
        "without_label": len(catalog) - known,
        "in_small_classes": known - len(kept),
        "unusable": len(catalog.rejected),
    }
    return kept, wanted.encode(kept.columns), counts


def _check_titles(catalog: Catalog, labels: TaskLabels, folds: int) -> None:
    """Refuse a class that would miss in a fold."""
    titles = np.array([len(np.unique(catalog.groups[labels.codes == code])) for code in range(len(labels.classes))])
    code = int(titles.argmin())
    if titles[code] < folds:
        images = int((labels.codes == code).sum())
        raise InputError(
            f"class {labels.classes[code]!r} has {titles[code]} titles ({images} images), too few for {folds} folds: "
            f"leave it out with --min-images {images + 1}"
            + (f", or take --folds {titles[code]}" if titles[code] > 1 else "")
        )


def _find_issues(
    catalog: Catalog, codes: NDArray[np.int64], vectors: NDArray[np.float32], probabilities: NDArray[np.float64]
) -> list[LabelIssue]:
    titles = label_issues.pairs_within(catalog.groups)
    pictures = _same_pictures(catalog.paths.tolist(), codes, vectors)
    return label_issues.rank_issues(
        [
            *label_issues.conflicting_pairs(pictures, probabilities, codes, NEAR_DUPLICATE),
            *label_issues.conflicting_pairs(titles, probabilities, codes, SAME_TITLE),
            *label_issues.low_self_confidence(probabilities, codes),
        ]
    )


def _same_pictures(paths: Sequence[str], codes: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return [m, 2]: the pairs of products with different labels and the same picture."""
    from sklearn.neighbors import radius_neighbors_graph  # noqa: PLC0415 - as above

    near = np.stack(radius_neighbors_graph(vectors, 1 - NEAR_DUPLICATE_COSINE, metric="cosine").nonzero(), axis=1)
    near = near[(near[:, 0] < near[:, 1]) & (codes[near[:, 0]] != codes[near[:, 1]])]
    sketches = {row: thumbnail_signature(paths[row]) for row in np.unique(near).tolist()}
    same = [is_near_duplicate(sketches[one], sketches[other]) for one, other in near.tolist()]
    return near[np.array(same, bool)]


def _row(one: LabelIssue, catalog: Catalog, labels: TaskLabels) -> dict[str, Any]:
    return {
        "id": int(catalog.ids[one.row]),
        "path": str(catalog.paths[one.row]),
        "given": labels.classes[labels.codes[one.row]],
        "suggested": labels.classes[one.suggested],
        "score": round(one.score, 4),
        "reason": one.reason,
        "other": None if one.other is None else int(catalog.ids[one.other]),
    }


def _draw(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    pictures = [decode(row["path"], _PICTURE) for row in rows]
    captions = [f"{row['id']}  {row['given']}\n-> {row['suggested']}\n{_why(row)}" for row in rows]
    contact_sheet(path, pictures, captions, title="Labels that may be wrong")


def _why(row: dict[str, Any]) -> str:
    return f"{row['reason']} {row['score']:.3f}" if row["other"] is None else f"{row['reason']} {row['other']}"
