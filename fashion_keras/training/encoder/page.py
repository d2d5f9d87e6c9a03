"""Page of an encoder's run: report.html, with the scores of held-out products and the epochs."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import PAGE, Page, Section, Table, Tile, figure
from fashion_keras.evaluation.pages.score_sections import with_interval
from fashion_keras.support.config_fields import Config
from fashion_keras.training.run_folder import CONFIG, Run

_HEADLINE = 3  # scores in the headline


def write_encoder_page(run: Run, config: Config, data: str) -> Path:
    """Write the page of a finished run of an encoder or autoencoder, and return its path; `data` names the catalog."""
    report = run.report.to_dict()
    scores = [_score(name, value) for name, value in report["held_out"].items()]
    facts = [("run", str(run.folder)), ("data", data)]
    facts += [(name, str(report[name])) for name in ("backbone", "network", "weights") if name in report]
    tiles = [Tile(name, f"{value:.3f}", note) for name, value, note, _ in scores if value is not None][:_HEADLINE]
    rows = [(name, with_interval(value, None), note or None, queries) for name, value, note, queries in scores]
    history = run.history
    epochs = Table(list(history.columns), history.astype(object).where(history.notna(), None).values.tolist(), "Epochs")
    counts = Table(("part", "images"), list(report["counts"].items()), "Parts; rejected are rows and files")
    defaults, values = type(config)().to_dict(), config.to_dict()
    given = [(name, str(value)) for name, value in values.items() if value != defaults[name] and name != "out"]
    text = "Products that the encoder was not trained on; each is a query against all others."
    shown = figure(run.folder / "reconstructions.png", "Held-out images and their reconstructions.")
    sections = [
        Section("Held-out products", [text], shown, [Table(("score", "value", "95 % interval", "queries"), rows)]),
        Section("Data", tables=[counts]),
        Section("Training", [f"{report['seconds']:.0f} seconds in all."], tables=[epochs]),
        Section("Settings", [f"{CONFIG} holds all settings."], tables=[Table(("setting", "value"), given)]),
    ]
    page = Page(f"Encoder {run.folder.name}", facts, tiles, sections, report.get("warnings", ()))
    return page.write(run.folder / PAGE)


def _score(name: str, score: Any) -> tuple[str, float | None, str, int | None]:  # noqa: ANN401 - Score, dict or number
    """Return the name, value, interval and number of queries of a score."""
    values: Mapping[str, Any] = asdict(score) if is_dataclass(score) else score
    if not isinstance(values, Mapping):
        return name, values, "", None
    interval = "{:.3f}–{:.3f}".format(*values["ci95"]) if values["ci95"] else ""
    return name, values["value"], interval, values["queries"]
