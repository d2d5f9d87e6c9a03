"""Commands of the analyses: `audit`, `robustness`, `probe`, `evaluate-search` and `map`."""

from dataclasses import replace
from pathlib import Path

import fashion_keras
from fashion_keras.analysis.config import AuditConfig, ProbeConfig, ProjectionConfig, RetrievalConfig, RobustnessConfig
from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.commands.formatting import print_counts
from fashion_keras.support.atomic_files import check_output_dir

# Columns of the table of evaluate-search: the score's name, and its heading.
_TEXT_SCORES = {
    "text to article_type precision@10 (R >= 10)": "article P@10",
    "text to base_colour precision@10 (R >= 10)": "color P@10",
    "text to article_type and base_colour precision@10 (R >= 10)": "both P@10",
    "text to product name recall@1": "name R@1",
    "text to product name recall@10": "name R@10",
}
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
    for name, kind, run, show, summary, description, positional in (
        ("audit", AuditConfig, lambda config: fashion_keras.audit(config), _print_audit,
         "rank the labels of a catalog that may be wrong",
         "Rank labels that may be wrong, by out-of-fold linear classifiers and by near-duplicate images.", ()),
        ("robustness", RobustnessConfig, _robustness, _print_robustness, "score runs on changed images",
         "Score runs on images resized by other libraries, compressed, shifted, noisy, lighter or darker.", ("runs",)),
        ("probe", ProbeConfig, lambda config: fashion_keras.probe(config), _print_probe,
         "compare backbones without training",
         "Compare backbones by linear and k-nearest-neighbor classifiers on their frozen features.", ()),
        ("evaluate-search", RetrievalConfig, lambda config: fashion_keras.evaluate_search(config), _print_retrieval,
         "score encoders and indexes side by side",
         "Score retrieval: each product of a catalog is a query against all others.", ()),
        ("map", ProjectionConfig, lambda config: fashion_keras.draw_map(config), _print_map,
         "plot a catalog's embeddings in two dimensions",
         "Plot a catalog's embeddings in two dimensions, by principal components or t-SNE.", ()),
    ):  # fmt: skip
        add_command(commands, name, kind, run, show, summary, description, positional)


def _print_audit(report: Report, _: AuditConfig) -> None:
    for name, count in (report["counts"] | report["by_reason"]).items():
        print(f"{name.replace('_', ' '):20}{count:>8}")
    _print_overlap(report["encoder"], report["trained_products"], report["counts"]["excluded"])
    for row in report["issues"][:10]:
        other = "" if row["other"] is None else f" of {row['other']}"
        print(f"{row['score']:.3f}  {row['id']:>8}  {row['given']} -> {row['suggested']}  ({row['reason']}{other})")
    print(f"{len(report['issues'])} labels are listed in {report['out']}/audit.csv")


def _robustness_out(config: RobustnessConfig) -> str:
    folder = Path(config.runs[0]) if len(config.runs) == 1 else Path("runs")
    return str(folder / "robustness") if config.out is None else config.out


def _robustness(config: RobustnessConfig) -> Report:
    if config.out is not None:
        check_output_dir(config.out, "")
    return fashion_keras.robustness(replace(config, out=_robustness_out(config)))


def _print_robustness(report: Report, config: RobustnessConfig) -> None:
    from fashion_keras.analysis.robustness import rows_by_head

    for run in report["runs"]:
        _print_run(run)
    series = rows_by_head(report["rows"])
    if len(series) == 1:
        _print_conditions(report["rows"])
    else:
        _print_side_by_side(series)
    if report["differ"]:
        print(f"the runs differ in {' and '.join(report['differ'])}: their accuracies cannot be compared")
    print(f"folder  {_robustness_out(config)}")


def _print_run(run: Report) -> None:
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


def _print_conditions(rows: list[Report]) -> None:
    titles = f"{'change':>9}{'agreement':>11}{'confidence':>12}{'pixel change':>14}"
    print(f"{'condition':14}{'accuracy (95 %)':>21}{titles}")
    for row in rows:
        print(
            f"{row['condition']:14}{row['accuracy']:>7.3f} ({row['low']:.3f}-{row['high']:.3f})"
            f"{row['accuracy_change']:>+9.3f}{row['agreement']:>11.3f}{row['confidence_change']:>+12.3f}"
            f"{row['pixel_change']:>14.2f}"
        )


def _print_side_by_side(series: dict[tuple[str, str], list[Report]]) -> None:
    """Print the reference accuracy of each run and head, then its change under each condition."""
    for number, (run, head) in enumerate(series, start=1):
        print(f"[{number}] {run}, {head}: {series[run, head][0]['products']} products")
    print(" " * 14 + "".join(f"{f'[{number}]':>9}" for number in range(1, len(series) + 1)))
    for position, rows in enumerate(zip(*series.values(), strict=True)):
        values = (f"{row['accuracy_change']:+.3f}" if position else f"{row['accuracy']:.3f}" for row in rows)
        print(f"{rows[0]['condition']:14}" + "".join(f"{value:>9}" for value in values))


def _print_probe(report: Report, _: ProbeConfig) -> None:
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


def _print_retrieval(report: Report, _: RetrievalConfig) -> None:
    print(f"{report['products']} products ({report['part']}) of {report['data']}, each a query against all others")
    if report["test_products_missing"]:
        print(f"{report['test_products_missing']} products of the run's test part are not in the catalog")
    print(f"{'':28}{'width':>6}" + "".join(f"{heading:>22}" for _, heading in _SCORES))
    for row in report["rows"]:
        scores = "".join(_format_score(row["scores"][name]) for name, _ in _SCORES)
        print(f"{row['name'][-28:]:28}{row['width']:>6}{scores}")
    print("* queries with ten or more relevant products; in brackets 95 % bootstrap intervals")
    if report["text_rows"]:
        _print_text_rows(report["text_rows"])
    for row in report["rows"]:
        _print_overlap(row["name"], row["trained_products"], report["excluded"])


def _print_text_rows(rows: list[Report]) -> None:
    print("\ntext to image: P@10 of queries with ten or more relevant images, R@k of product names")
    names = [name for name in _TEXT_SCORES if name in rows[0]["scores"]]
    print(f"{'':28}" + "".join(f"{_TEXT_SCORES[name]:>22}" for name in names))
    for row in rows:
        print(f"{row['name'][-28:]:28}" + "".join(_format_score(row["scores"][name]) for name in names))


def _format_score(score: Report) -> str:
    if score["value"] is None:
        return f"{'-':>22}"
    low, high = score["ci95"]
    return f"{score['value']:>8.3f} ({low:.3f}-{high:.3f})"


def _print_map(report: Report, _: ProjectionConfig) -> None:
    for name, value in report.items():
        if name != "explained_variance":
            print(f"{name.replace('_', ' '):20}{value}")
    if report["explained_variance"] is not None:
        print(f"{'explained variance':20}{report['explained_variance']:.3f}")


def _print_overlap(name: str, trained: int, excluded: int) -> None:
    """Print how many of the products an encoder was trained on; nothing for none."""
    if trained:
        print(f"{name} was trained on {trained} of these products: its scores are too high; see --exclude-trained")
    elif excluded:
        print(f"{name}: {excluded} products that an encoder was trained on are left out")
