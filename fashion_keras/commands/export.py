"""Command `export`."""

from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.exports.config import ExportConfig


def add(commands: Commands) -> None:
    """Add the command `export`."""
    text = (
        "Export a run or an encoder for another runtime, with an input contract, golden files and sample clients; "
        "refused where the outputs differ from those of Keras."
    )
    add_command(
        commands, "export", ExportConfig, _export, _print_export, "export a run or an encoder for other programs",
        text, ("model",),
    )  # fmt: skip


def _export(config: ExportConfig) -> Report:
    from fashion_keras.exports.export import export

    folder, manifest = export(config)
    return {"folder": str(folder), **manifest.to_dict()}


def _print_export(report: Report, _: ExportConfig) -> None:
    parity = report["parity"]
    same = f", same prediction for {parity['same_prediction']:.1%}" if "same_prediction" in parity else ""
    print(f"parity  largest difference {parity['largest_difference']:.1g} on {parity['images']} images{same}")
    print(f"bundle  {report['bundle_sha256']}")
    print(f"folder  {report['folder']}")
