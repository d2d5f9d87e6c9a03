"""Printed lines that the reports of several commands share."""

from fashion_keras.commands.arguments import Report


def with_interval(test: Report) -> str:
    """Return an accuracy with its interval as text."""
    low, high = test["accuracy_ci95"]
    return f"{test['accuracy']:.3f} (95 % between {low:.3f} and {high:.3f})"


def print_products(report: Report) -> None:
    """Print the accuracy per product where some have several images."""
    scores = report.get("per_product")
    if not scores or not scores["several_images"]["products"]:
        return
    for title, key in {"per product": "all", "  with several images": "several_images"}.items():
        rules = {name: score["accuracy"] for name, score in scores[key].items() if isinstance(score, dict)}
        print(
            f"{title:22}{rules['cumulative_maximum']:.3f} by the maximum over its images, "
            f"{rules['mean_probability']:.3f} by the mean, {rules['per_image']:.3f} per image, "
            f"on {scores[key]['products']} products"
        )
    if scores["mixed"]["products"]:
        print(f"  left out            {scores['mixed']['products']} products whose images disagree in label")


def print_heads(report: Report) -> None:
    """Print one line for each head of a report with several."""
    for name, group in report["groups"].items() if len(report["groups"]) > 1 else ():
        test = group["test"]
        titles = {"accuracy": "accuracy", "macro_f1": "macro F1"} if test else {}
        scores = "".join(f"{title} {test[key]:.3f}  " for key, title in titles.items() if test[key] is not None)
        print(f"  {name:20}{len(group['classes']):>4} labels  {scores}on {group['counts']['test']} products")


def print_read(report: Report, shard: str | None, more: str = "") -> bool:
    """Print what all parts of a batch run read; return whether they have ended, of which only the last has a report."""
    if report:
        print(f"{report['read']} rows and files read: {report['accepted']} accepted, {report['rejected']} rejected "
              f"(rejected.csv){more}")  # fmt: skip
    else:
        print(f"part {shard} is done; others are not")
    return bool(report)


def print_counts(counts: dict[str, int]) -> None:
    """Print the first eight counts, and the sum of the others."""
    rows = list(counts.items())
    for name, count in rows[:8]:
        print(f"  {count:>8}  {name}")
    if len(rows) > 8:
        print(f"  {sum(count for _, count in rows[8:]):>8}  in {len(rows) - 8} more")


def print_scores(scores: dict[str, Report]) -> None:
    """Print each retrieval score with its interval, or that no query has one."""
    for name, score in scores.items():
        if score["value"] is None:
            print(f"{name:40}    -  (no query has one)")
        else:
            low, high = score["ci95"]
            print(f"{name:40}{score['value']:>6.3f} ({low:.3f}-{high:.3f}) over {score['queries']} queries")
