"""Commands of the analyses: `audit`, `robustness`, `probe`, `evaluate-search` and `map`."""

import argparse
from pathlib import Path
from typing import Any

from fashion_keras.analysis.config import AuditConfig, ProbeConfig, ProjectionConfig, RetrievalConfig, RobustnessConfig
from fashion_keras.commands.arguments import (
    Commands,
    add_command,
    given_values,
    print_counts,
    print_json,
    start_tensorflow,
)
from fashion_keras.support.atomic_files import check_output_dir

# Columns of the table of evaluate-search: the score's name, and its heading.
_SCORES = (
    ("article_type precision@10 (R >= 10)", "article P@10*"),
    ("article_type precision@10", "article P@10"),
    ("base_colour precision@10", "color P@10"),
    ("article_type mAP@R", "mAP@R"),
    ("graded nDCG@10", "nDCG@10"),
    ("same_title recall@10", "title R@10"),
)


def add(commands: Commands) -> None:
    """Add the commands `audit`, `robustness`, `probe`, `evaluate-search` and `map`."""
    for name, kind, command, summary, description, positional in (
        ("audit", AuditConfig, _audit, "rank the labels of a catalog that may be wrong",
         "Rank labels that may be wrong, by out-of-fold linear classifiers and by near-duplicate images.", ()),
        ("robustness", RobustnessConfig, _robustness, "score runs on changed images",
         "Score runs on images resized by other libraries, compressed, shifted, noisy, lighter or darker.", ("runs",)),
        ("probe", ProbeConfig, _probe, "compare backbones without training",
         "Compare backbones by linear and k-nearest-neighbor classifiers on their frozen features.", ()),
        ("evaluate-search", RetrievalConfig, _evaluate_search, "score encoders and indexes side by side",
         "Score retrieval: each product of a catalog is a query against all others.", ()),
        ("map", ProjectionConfig, _map, "plot a catalog's embeddings in two dimensions",
         "Plot a catalog's embeddings in two dimensions, by principal components or t-SNE.", ()),
    ):  # fmt: skip
        add_command(commands, name, kind, command, summary, description, positional)


def _audit(options: argparse.Namespace) -> None:
    config = AuditConfig(**given_values(options, AuditConfig))
    from fashion_keras.analysis.label_audit import audit
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    report = audit(config)
    if options.json:
        print_json(report)
        return
    for counts in (report["counts"], report["by_reason"]):
        for name, count in counts.items():
            print(f"{name.replace('_', ' '):20}{count:>8}")
    _print_overlap(config.encoder, report["trained_products"], report["counts"]["excluded"])
    for row in report["issues"][:10]:
        other = "" if row["other"] is None else f" of {row['other']}"
        print(f"{row['score']:.3f}  {row['id']:>8}  {row['given']} -> {row['suggested']}  ({row['reason']}{other})")
    print(f"{len(report['issues'])} labels are listed in {report['out']}/audit.csv")


def _robustness(options: argparse.Namespace) -> None:
    given = given_values(options, RobustnessConfig)
    runs = given["runs"]
    if given.get("out") is not None:
        check_output_dir(given["out"], "")
    given.setdefault("out", str((Path(runs[0]) if len(runs) == 1 else Path("runs")) / "robustness"))
    config = RobustnessConfig(**given)
    from fashion_keras.analysis.robustness import robustness, rows_by_head

    report = robustness(config)
    if options.json:
        print_json(report)
        return
    for run in report["runs"]:
        _print_run(run)
    series = rows_by_head(report["rows"])
    if len(series) == 1:
        _print_conditions(report["rows"])
    else:
        _print_side_by_side(series)
    if report["differ"]:
        print(f"the runs differ in {' and '.join(report['differ'])}: their accuracies cannot be compared")
    print(f"folder  {config.out}")


def _print_run(run: dict[str, Any]) -> None:
    print(f"{run['run']}: {run['counts']['test']} products ({run['part']}) of {run['catalog']}")
    if run["heads_left_out"]:
        print(f"  not scored, multi-valued or without truth: {', '.join(run['heads_left_out'])}")
    if run["counts"]["trained_on"]:
        print(f"  {run['counts']['trained_on']} products that the run was trained on are left out")
    if run["test_products_missing"]:
        print(f"  {run['test_products_missing']} products of the run's test part are not in the catalog")
    if not run["resized"]:
        print("  every file has the network's size already: resizing changed nothing; give larger ones by --data")
    if run["reasons"]:
        print("  rejected:")
        print_counts(run["reasons"])


def _print_conditions(rows: list[dict[str, Any]]) -> None:
    titles = f"{'change':>9}{'agreement':>11}{'confidence':>12}{'pixel change':>14}"
    print(f"{'condition':14}{'accuracy (95 %)':>21}{titles}")
    for row in rows:
        print(
            f"{row['condition']:14}{row['accuracy']:>7.3f} ({row['low']:.3f}-{row['high']:.3f})"
            f"{row['accuracy_change']:>+9.3f}{row['agreement']:>11.3f}{row['confidence_change']:>+12.3f}"
            f"{row['pixel_change']:>14.2f}"
        )


def _print_side_by_side(series: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Print the reference accuracy of each run and head, then its change under each condition."""
    for number, (run, head) in enumerate(series, start=1):
        print(f"[{number}] {run}, {head}: {series[run, head][0]['products']} products")
    print(" " * 14 + "".join(f"{f'[{number}]':>9}" for number in range(1, len(series) + 1)))
    for position, rows in enumerate(zip(*series.values(), strict=True)):
        values = (f"{row['accuracy_change']:+.3f}" if position else f"{row['accuracy']:.3f}" for row in rows)
        print(f"{rows[0]['condition']:14}" + "".join(f"{value:>9}" for value in values))


def _probe(options: argparse.Namespace) -> None:
    config = ProbeConfig(**given_values(options, ProbeConfig))
    start_tensorflow()
    from fashion_keras.analysis.linear_probe import probe

    report = probe(config)
    (print_json if options.json else _print_probe)(report)


def _print_probe(report: dict[str, Any]) -> None:
    print(f"{report['task']}, {report['classes']} classes, {report['counts']['validation']} validation products")
    titles = f"{'backbone':20}{'input':>9}{'width':>7}{'linear (95 %)':>22}{'k-NN':>7}{'seconds':>9}{'images/s':>10}"
    print(f"{titles}  weights")
    for row in report["backbones"]:
        low, high = row["linear_ci95"]
        print(
            f"{row['backbone']:20}{row['image']:>9}{row['width']:>7}{row['linear']:>8.3f} ({low:.3f}-{high:.3f})"
            f"{row['knn']:>7.3f}{row['seconds']:>9.1f}{row['images_per_second'] or 'cached':>10}  {row['weights']}"
        )
    for row in report["backbones"]:
        _print_overlap(row["backbone"], row["trained_products"], report["excluded"])


def _evaluate_search(options: argparse.Namespace) -> None:
    config = RetrievalConfig(**given_values(options, RetrievalConfig))
    from fashion_keras.analysis.retrieval_comparison import evaluate_search
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    report = evaluate_search(config)
    (print_json if options.json else _print_retrieval)(report)


def _print_retrieval(report: dict[str, Any]) -> None:
    print(f"{report['products']} products ({report['part']}) of {report['data']}, each a query against all others")
    if report["test_products_missing"]:
        print(f"{report['test_products_missing']} products of the run's test part are not in the catalog")
    print(f"{'':28}{'width':>6}" + "".join(f"{heading:>22}" for _, heading in _SCORES))
    for row in report["rows"]:
        scores = "".join(_format_score(row["scores"][name]) for name, _ in _SCORES)
        print(f"{row['name'][-28:]:28}{row['width']:>6}{scores}")
    print("* queries with ten or more relevant products; in brackets 95 % bootstrap intervals")
    for row in report["rows"]:
        _print_overlap(row["name"], row["trained_products"], report["excluded"])


def _format_score(score: dict[str, Any]) -> str:
    if score["value"] is None:
        return f"{'-':>22}"
    low, high = score["ci95"]
    return f"{score['value']:>8.3f} ({low:.3f}-{high:.3f})"


def _map(options: argparse.Namespace) -> None:
    config = ProjectionConfig(**given_values(options, ProjectionConfig))
    from fashion_keras.analysis.projection import draw_map
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    report = draw_map(config)
    if options.json:
        print_json(report)
        return
    variance = report.pop("explained_variance")
    for name, value in report.items():
        print(f"{name.replace('_', ' '):20}{value}")
    if variance is not None:
        print(f"{'explained variance':20}{variance:.3f}")


def _print_overlap(name: str, trained: int, excluded: int) -> None:
    """Print how many of the products an encoder was trained on; nothing for none."""
    if trained:
        print(f"{name} was trained on {trained} of these products: its scores are too high; see --exclude-trained")
    elif excluded:
        print(f"{name}: {excluded} products that an encoder was trained on are left out")
