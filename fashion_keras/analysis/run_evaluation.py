"""Evaluation of a finished run on a catalog: on its own test products, or on any others."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fashion_keras.analysis.config import EvaluateConfig
from fashion_keras.analysis.evaluation_subset import scorable_rows, select_rows
from fashion_keras.catalog.catalog import write_rejected
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.evaluation.reports.compute import compute_scores
from fashion_keras.evaluation.reports.report import EvaluationReport
from fashion_keras.evaluation.reports.write import plot_report, write_predictions
from fashion_keras.features.runtime import load_classifier
from fashion_keras.support.atomic_files import check_output_dir
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.manifests import RunManifest


@takes_verbose
def evaluate(config: EvaluateConfig | Mapping[str, Any]) -> EvaluationReport:
    """Score a run on the labeled products of a catalog whose classes it predicts.

    Returns:
        the report. Its counts {test, rejected, trained_on, other_parts} add up to all rows and files of the catalog.

    Raises:
        InputError: when run, catalog or folder cannot be used, or no product is left to evaluate on.
    """
    config = as_config(EvaluateConfig, config)
    folder = None if config.out is None else check_output_dir(config.out, "")
    classifier, manifest = load_classifier(config.run), RunManifest.read(config.run)
    catalog = read_catalog(resolve_dataset(config.data or manifest.data)[0])
    subset = select_rows(catalog, manifest, config.part)
    products, truth = scorable_rows(catalog, subset.rows, classifier)
    predictions = classifier.predict(products.paths, products.ids, truth)
    report = EvaluationReport(
        run=config.run,
        catalog=str(catalog.folder),
        task=classifier.spec.task,
        part=subset.part,
        classes=list(classifier.spec.classes),
        counts={
            "test": len(products),
            "rejected": len(products.rejected),
            "trained_on": subset.trained_on_left_out,
            "other_parts": len(catalog) - len(subset.rows) - subset.trained_on_left_out,
        },
        reasons=dict(Counter(row.reason for row in products.rejected).most_common()),
        trained_on_left_out=subset.trained_on_left_out,
        test_products_missing=subset.test_products_missing,
        **compute_scores(predictions, manifest.train_counts, manifest.known, products.product_groups),
    )
    if folder:
        write_predictions(folder, predictions)
        plot_report(folder, predictions, products.paths, classifier.spec.image_spec, config.run)
        write_rejected(folder, products)
        report.write(folder)
    return report
