"""Config dataclasses of the commands `report`, `compare` and `runs`."""

from dataclasses import dataclass
from pathlib import Path

from fashion_keras.search.filters import parse_conditions
from fashion_keras.support.config_fields import Config, config_field
from fashion_keras.support.errors import InputError

_IMAGES = "Show images of products."
RUNS = "runs"


def _check_html(out: str | None) -> None:
    """Raise InputError unless `out` can become an HTML file."""
    if out is not None and (Path(out).suffix.lower() not in (".html", ".htm") or Path(out).is_dir()):
        raise InputError(f"{out}: the report is an HTML file; give --out a name that ends in .html")


@dataclass(frozen=True, kw_only=True)
class ReportConfig(Config):
    """Settings of the command `report RUN`: the HTML page of a finished run."""

    run: str = config_field("", "Folder of a finished run.", metavar="RUN")
    images: bool = config_field(True, _IMAGES)
    out: str | None = config_field(None, "HTML file. Default: report.html in the run's folder.", metavar="FILE")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_html(self.out)


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Config):
    """Settings of the command `compare RUN RUN ...`: runs side by side on the test products that they share."""

    runs: tuple[str, ...] = config_field((), "Folders of two or more finished runs of one task.", metavar="RUN")
    images: bool = config_field(True, _IMAGES)
    seed: int = config_field(0, "Random seed of the bootstrap.", metavar="N", at_least=0, at_most=2**32 - 1)
    out: str | None = config_field(None, "Also write the comparison as an HTML file.", metavar="FILE")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_html(self.out)
        if len(self.runs) < 2:
            raise InputError("compare needs two or more runs; the first is the one that the others are compared with")
        if len({Path(run).resolve() for run in self.runs}) < len(self.runs):
            raise InputError("a run is given twice: compare different runs")


@dataclass(frozen=True, kw_only=True)
class RunsConfig(Config):
    """Settings of the command `runs [DIR]`: a table of the runs in a folder."""

    folder: str | None = config_field(
        None, f"Folder in which runs are looked for, at any depth. Default: {RUNS}.", metavar="DIR"
    )
    sort: str = config_field(
        "run", "Column to sort by: texts from A to Z, numbers and dates from high to low.", metavar="COLUMN"
    )
    reverse: bool = config_field(False, "Sort the other way round.")
    where: tuple[str, ...] = config_field(
        (), "Only runs with this value, or in this range (>=, >, <=, <), such as 'accuracy>=0.8'; may be repeated.",
        metavar="COLUMN=VALUE",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_conditions(self.where)
