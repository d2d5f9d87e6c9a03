"""Evaluation of a finished run on a catalog: on its own test products, or on any others."""

from collections.abc import Mapping
from typing import Any

from fashion_keras.analysis.config import EvaluateConfig
from fashion_keras.analysis.evaluation_page import write_evaluation_page
from fashion_keras.analysis.evaluation_subset import load_subset
from fashion_keras.catalog.catalog import write_rejected
from fashion_keras.evaluation.reports.compute import compute_scores
from fashion_keras.evaluation.reports.report import EvaluationReport
from fashion_keras.evaluation.reports.write import plot_report, write_predictions
from fashion_keras.support.atomic_files import check_output_dir
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose


@takes_verbose
def evaluate(config: EvaluateConfig | Mapping[str, Any]) -> EvaluationReport:
    """Score a run on the labeled products of a catalog whose classes it predicts.

    The report's counts {test, rejected, trained_on, other_parts}, with a `limit` also beyond_limit, add up to all rows
    and files of the catalog.

    Raises:
        InputError: when run, catalog or folder cannot be used, or no product is left to evaluate on.
    """
    config = as_config(EvaluateConfig, config)
    folder = None if config.out is None else check_output_dir(config.out, "")
    subset = load_subset(config.run, config, config.part, config.limit)
    classifier, manifest, products = subset.classifier, subset.manifest, subset.products
    predictions = classifier.predict(products.paths, products.image_ids, subset.truth)
    counts = {name: count for name, count in subset.summary["counts"].items() if name != "beyond_limit" or config.limit}
    report = EvaluationReport(
        **subset.summary | {"counts": counts},
        classes=list(classifier.spec.classes),
        trained_on_left_out=counts["trained_on"],
        **compute_scores(predictions, manifest.train_counts, manifest.known, products.product_groups),
    )
    if folder:
        write_predictions(folder, predictions)
        plot_report(
            folder, predictions, products.paths, classifier.spec.image_spec, config.run, subset.summary["catalog"]
        )
        write_rejected(folder, products.rejected)
        report.write(folder)
        write_evaluation_page(report, products, folder)
    return report
