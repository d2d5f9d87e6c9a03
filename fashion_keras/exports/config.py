"""Config of the command `export`. No Keras here."""

from dataclasses import dataclass

from fashion_keras.exports.formats import FORMATS, get_format
from fashion_keras.support.config_fields import SourceConfig, config_field
from fashion_keras.support.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ExportConfig(SourceConfig):
    """Settings of the command `export`."""

    model: str = config_field(
        "", "Finished run folder, or an encoder as in `index`: fashion_encoder, a backbone, a folder.", metavar="RUN"
    )
    format: str = config_field("onnx", "File format.", tuple(row.name for row in FORMATS), "FORMAT")
    data: str | None = config_field(
        None,
        "Catalog whose images the export is compared on. Default: that of the run; of an encoder as in `train`.",
        metavar="SOURCE",
    )
    out: str | None = config_field(None, "New folder for the export. Default: MODEL-FORMAT.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise InputError("model is missing: give the folder of a run, or an encoder")
        get_format(self.format).check_installed()
