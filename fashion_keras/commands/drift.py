"""Command `drift`."""

import sys

import fashion_keras
from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.monitoring.config import DRIFT_EXIT_CODE, DriftConfig


def add(commands: Commands) -> None:
    """Add the command `drift`."""
    text = (
        "Compare an index or a folder of tags with a reference: embeddings, label mix, outliers, near-duplicates and, "
        "on reviewed labels, the precision of tags. Exit code 0: no drift; 3: drift, with a line on standard "
        "error that names what changed."
    )
    add_command(
        commands, "drift", DriftConfig, lambda config: fashion_keras.drift(config), _print, "compare a catalog or its "
        "tags with a reference", text, ("new",), exit_code=_exit_code,
    )  # fmt: skip


def _print(report: Report, config: DriftConfig) -> None:
    from fashion_keras.monitoring.findings import duplicates_text, list_tests

    for name, side in (("new", report["new"]), ("against", report["against"])):
        print(f"{name:8} {side['place']}: {side['images']:,} images of {side['products']:,} products")
    for warning in report["warnings"]:
        print(f"WARNING  {warning}")
    for test in list_tests(report):
        print(f"{test.verdict:13} {test.title}: {test.text}")
    duplicates = report["near_duplicates"]
    print(f"{'':13} {duplicates['not_measured'] or duplicates_text(duplicates)}")
    if config.out is not None:
        print(f"page     {config.out}/drift.html")


def _exit_code(report: Report) -> int:
    """Return 3 for drift, and name the tests that fired on one line of standard error."""
    if not report["drift"]:
        return 0
    print(f"drift: {'; '.join(report['fired'])}", file=sys.stderr)
    return DRIFT_EXIT_CODE
