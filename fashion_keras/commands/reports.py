"""Commands `report`, `compare` and `runs`."""

from pathlib import Path

from fashion_keras.analysis.report_config import RUNS, CompareConfig, ReportConfig, RunsConfig
from fashion_keras.commands.arguments import Commands, Report, add_command

_SHOWN = ("run", "task", "backbone", "strategy", "accuracy", "low", "high", "macro_f1", "ece", "test", "seconds")
_FLIPS = 10


def add(commands: Commands) -> None:
    """Add the commands `report`, `compare` and `runs`."""
    text = "Write the report of a finished run as one HTML file, which needs no other one."
    add_command(
        commands, "report", ReportConfig, _report, lambda report, _: print(report["report"]),
        "write the report of a run as an HTML file", text, ("run",),
    )  # fmt: skip
    text = (
        "Compare runs with the first of them on the test products that they share: scores, paired bootstrap "
        "differences, settings that differ, products that flipped."
    )
    add_command(
        commands, "compare", CompareConfig, _compare, _print_comparison, "compare runs side by side", text, ("runs",)
    )
    text = "List the runs in a folder, at any depth, with their settings and scores."
    add_command(commands, "runs", RunsConfig, _runs, _print_runs, "list the runs in a folder", text, ("folder",))


def _report(config: ReportConfig) -> Report:
    from fashion_keras.training.run_page import write_run_page

    out = None if config.out is None else Path(config.out)
    return {"report": str(write_run_page(config.run, images=config.images, path=out))}


def _compare(config: CompareConfig) -> Report:
    from fashion_keras.analysis.run_comparison import compare

    comparison = compare(config)
    if config.out is not None:
        from fashion_keras.analysis.comparison_page import write_comparison_page

        write_comparison_page(comparison, Path(config.out), config.images)
    return comparison.to_dict()


def _print_comparison(report: Report, config: CompareConfig) -> None:
    print(f"{report['images']} test images of {report['products']} products are in all runs")
    if report["truth_differs"]:
        print(f"{report['truth_differs']} more are left out: their label differs between the runs")
    names = {"accuracy": "accuracy", "top_3": "top 3", "macro_f1": "macro F1", "ece": "calibration error"}
    print(f"{'':32}" + "".join(f"{name:32}" for name in names.values()).rstrip())
    for score in report["scores"]:
        print(f"{score['run'][-30:]:32}" + "".join(f"{_cell(score, name):32}" for name in names) + score["head"])
    print("differences from the first run, with 95 % intervals of a paired bootstrap over products")
    print("what changed:")
    for row in report["settings"]:
        print(f"  {row['setting']:28}" + "  ".join("-" if value is None else str(value) for value in row["values"]))
    for score in report["scores"]:
        if score["differences"]:
            print(f"{score['run']}, {score['head']}: {score['gained']} products gained, {score['lost']} lost")
    for flip in report["flips"][:_FLIPS]:
        print(f"  {flip['change']:8}{flip['image_id']:>12}  true {flip['truth']}: {flip['first']} -> {flip['second']}")
    if len(report["flips"]) > _FLIPS:
        print(f"  {len(report['flips']) - _FLIPS} more images: see --json or --out")
    if config.out is not None:
        print(f"report  {config.out}")


def _cell(score: Report, name: str) -> str:
    difference = score["differences"].get(name)
    if difference is None or difference["interval"] is None:
        return f"{score[name]:.3f}"
    low, high = difference["interval"]
    return f"{score[name]:.3f} {difference['value']:+.3f} ({low:+.3f} to {high:+.3f})"


def _runs(config: RunsConfig) -> Report:
    from fashion_keras.analysis.run_list import list_runs_of

    frame = list_runs_of(config).astype(object)
    return {"runs": frame.where(frame.notna(), None).to_dict("records")}


def _print_runs(report: Report, config: RunsConfig) -> None:
    if not report["runs"]:
        print(f"no runs in {config.folder or RUNS}" + (" that meet --where" if config.where else ""))
        return
    rows = [[_text(row, name) for name in _SHOWN] for row in report["runs"]]
    widths = [max(len(name), *(len(row[place]) for row in rows)) for place, name in enumerate(_SHOWN)]
    for cells in (_SHOWN, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _text(row: Report, name: str) -> str:
    value = row[name]
    if name == "accuracy" and row["state"] != "finished":
        return row["state"]
    if value is None:
        return "-"
    return str(value) if isinstance(value, str) else f"{value:.0f}" if name in ("test", "seconds") else f"{value:.3f}"
