"""Label audit of a catalog: which labels are likely wrong, and which contradict each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.audit_page import write_audit_page
from fashion_keras.analysis.config import AuditConfig
from fashion_keras.analysis.evaluation_subset import encoder_training_products
from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.label_groups import Targets
from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.catalog.tasks import AttributeGroup, get_task
from fashion_keras.evaluation.metrics import label_issues
from fashion_keras.evaluation.metrics.label_issues import NEAR_DUPLICATE, REASONS, SAME_TITLE, LabelIssue
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.style import context
from fashion_keras.features.embeddings import embedding_source
from fashion_keras.images.decode import decode
from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, is_near_duplicate, thumbnail_signature
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import load_catalog
from fashion_keras.support.atomic_files import check_output_dir, make_output_dir, write_csv
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("id", "path", "given", "suggested", "score", "reason", "other")
_OUT = "runs/audit"
# Of the inverse penalties tried, 0.001 to 0.1, this one ranked most flipped labels high, on drawings and photos.
_INVERSE_PENALTY = 0.01
_SHEET_ROWS, _THUMBNAIL = 48, ImageSpec(160, 120)


class AuditReport(dict[str, Any]):
    """Report of an audit: a dict, whose issues are also a DataFrame."""

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row per issue and the columns of audit.csv."""
        import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

        return pd.DataFrame(self["issues"], columns=list(COLUMNS))


@takes_verbose
def audit(config: AuditConfig | Mapping[str, Any] | None = None) -> AuditReport:
    """Rank the labels of a catalog that may be wrong; write audit.csv, audit.png, report.html and rejected.csv.

    A label is an issue when a linear classifier on the encoder's features, trained on other products, predicts another
    label; when a near-duplicate image carries another label; or when a product of the same title does. An encoder
    trained on these labels has partly fitted their errors.

    Returns:
        out, task, encoder; counts, of which all but the first add up to inputs; trained_products: audited rows that the
        encoder was trained on; corrections (see `CorrectionSummary`), and reviewed: audited rows whose label is right
        by them, which are no issues; by_reason {reason: products}; issues: the rows of audit.csv.

    Raises:
        InputError: when catalog, task or encoder cannot be used, or a class has fewer products than folds.
    """
    config = as_config(AuditConfig, config)
    check_output_dir(config.out, _OUT)
    training_products = encoder_training_products(config.encoder)
    catalog, labels, counts = _labeled_rows(config, training_products)
    _check_folds(catalog, labels, config.folds)
    features = embedding_source(config.encoder).embed(catalog)
    folder = make_output_dir(config.out, _OUT)
    probabilities = out_of_fold(features, labels.codes, catalog.product_groups, config.folds, config.seed)
    reviewed = _reviewed(catalog, get_task(config.task))
    issues = _rank_issues(catalog, labels.codes, features, probabilities)
    issues = [issue for issue in issues if not reviewed[issue.row]]
    rows = [_row(issue, catalog, labels) for issue in issues[: config.top]]
    write_csv(folder / "audit.csv", COLUMNS, rows)
    write_rejected(folder, catalog.rejected)
    if rows:
        note = context(config.task, images=len(catalog), data=str(catalog.folder))
        _draw(folder / "audit.png", rows[:_SHEET_ROWS], note)
    by_reason = Counter(issue.reason for issue in issues)
    report = AuditReport(
        {
            "out": str(folder),
            "task": config.task,
            "encoder": config.encoder,
            "counts": counts,
            "trained_products": int(is_training_product(catalog, training_products).sum()),
            "corrections": catalog.correction_counts,
            "reviewed": int(reviewed.sum()),
            "by_reason": {reason: by_reason[reason] for reason in REASONS},
            "issues": rows,
        }
    )
    write_audit_page(report, str(catalog.folder), folder)
    return report


def out_of_fold(
    features: NDArray[np.float32], codes: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int = 0
) -> NDArray[np.float64]:
    """Return class probabilities [n, k] float64, each row by a classifier that was not trained on its product.

    Logistic regression on standardized features [n, d]. Folds are stratified by `codes` [n]; the rows of one product,
    an equal entry in `groups` [n], are in one fold.
    """
    # Imported here: scikit-learn takes a second, for which help and errors must not wait.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn brings it

    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    # The matrices are so small that threads would mostly wait for each other.
    with threadpool_limits(1):
        return cross_val_predict(classifier, features, codes, groups=groups, cv=splitter, method="predict_proba")


def _labeled_rows(config: AuditConfig, training_products: frozenset[str]) -> tuple[Catalog, Targets, dict[str, int]]:
    """Return the rows to audit, their labels, and the counts of all others by reason."""
    task, readable = get_task(config.task), load_catalog(config)
    catalog = readable
    if config.exclude_trained:
        trained = is_training_product(catalog, training_products)
        catalog = catalog.reject(np.where(trained, "the encoder was trained on it", "").tolist())
    known = int(task.encode(catalog.columns).known.sum())
    audited = catalog.reject(task.encode(catalog.columns, config.min_images).reasons.tolist())
    counts = {
        "inputs": catalog.inputs,
        "audited": len(audited),
        "without_label": len(catalog) - known,
        "in_small_classes": known - len(audited),
        "excluded": len(readable) - len(catalog),
        "unusable": len(readable.rejected),
    }
    return audited, task.encode(audited.columns), counts


def _check_folds(catalog: Catalog, labels: Targets, folds: int) -> None:
    """Refuse a class with fewer products than folds: it would be missing from a fold."""
    products = [len(np.unique(catalog.product_groups[labels.codes == code])) for code in range(len(labels.classes))]
    code = int(np.argmin(products))
    if products[code] < folds:
        images = int((labels.codes == code).sum())
        raise InputError(
            f"class {labels.classes[code]!r} has {products[code]} products ({images} images), too few for {folds} "
            f"folds: leave it out with --min-images {images + 1}"
            + (f", or take --folds {products[code]}" if products[code] > 1 else "")
        )


def _reviewed(catalog: Catalog, task: AttributeGroup) -> NDArray[np.bool_]:
    """Return [n]: of which images a person has decided on the label of a task."""
    if catalog.corrections is None or not task.source.columns:
        return np.zeros(len(catalog), bool)
    names = [catalog.columns.name_of(name) for name in task.source.columns if name in catalog.columns]
    return np.array([(sku, names[-1]) in catalog.corrections.reviewed for sku in catalog.skus.tolist()])


def _rank_issues(
    catalog: Catalog, codes: NDArray[np.int64], features: NDArray[np.float32], probabilities: NDArray[np.float64]
) -> list[LabelIssue]:
    duplicates = duplicate_pairs(catalog.paths.tolist(), features, codes)
    same_title = label_issues.pairs_within(catalog.product_groups)
    return label_issues.rank_issues(
        label_issues.conflicting_pairs(duplicates, probabilities, codes, NEAR_DUPLICATE)
        + label_issues.conflicting_pairs(same_title, probabilities, codes, SAME_TITLE)
        + label_issues.low_self_confidence(probabilities, codes)
    )


def duplicate_pairs(
    paths: Sequence[str], features: NDArray[np.float32], groups: NDArray[np.generic]
) -> NDArray[np.int64]:
    """Return [m, 2]: the pairs of n rows with near-duplicate images and different `groups` [n], such as labels."""
    from sklearn.neighbors import radius_neighbors_graph  # noqa: PLC0415 - as above

    pairs = np.stack(radius_neighbors_graph(features, 1 - NEAR_DUPLICATE_COSINE, metric="cosine").nonzero(), axis=1)
    pairs = pairs[(pairs[:, 0] < pairs[:, 1]) & (groups[pairs[:, 0]] != groups[pairs[:, 1]])]
    signatures = {row: thumbnail_signature(paths[row]) for row in np.unique(pairs).tolist()}
    duplicate = [is_near_duplicate(signatures[first], signatures[second]) for first, second in pairs.tolist()]
    return pairs[np.array(duplicate, bool)]


def _row(issue: LabelIssue, catalog: Catalog, labels: Targets) -> dict[str, Any]:
    return {
        "id": str(catalog.image_ids[issue.row]),
        "path": str(catalog.paths[issue.row]),
        "given": labels.classes[labels.codes[issue.row]],
        "suggested": labels.classes[issue.suggested],
        "score": round(issue.score, 4),
        "reason": issue.reason,
        "other": None if issue.other is None else str(catalog.image_ids[issue.other]),
    }


def _draw(path: Path, rows: Sequence[dict[str, Any]], note: str) -> None:
    images = [decode(row["path"], _THUMBNAIL) for row in rows]
    captions = []
    for row in rows:
        evidence = f"{row['score']:.3f}" if row["other"] is None else row["other"]
        labels = f"given: {row['given']}\nsuggested: {row['suggested']}"
        captions.append(f"{labels}\n{row['reason']} {evidence}, id {row['id']}")
    contact_sheet(path, images, captions, title="Labels that may be wrong", note=note)
