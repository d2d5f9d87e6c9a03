"""Catalog encoding: `encode_catalog(config)` writes the embeddings of a catalog of any size in shards."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from fashion_keras.batch.config import EncodeConfig
from fashion_keras.batch.parts import read_parts
from fashion_keras.batch.plan import read_rejections, remove_plan
from fashion_keras.batch.run import check_batch_dir, run_batch
from fashion_keras.batch.shards import Job, encoder_model
from fashion_keras.catalog.catalog import write_rejected
from fashion_keras.features.registry import load_encoder
from fashion_keras.support.atomic_files import write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose


@dataclass(frozen=True, kw_only=True)
class EncodeReport:
    """Counts of an encoded catalog; accepted + rejected = read. `encoded`: images that were encoded in this run."""

    out: str
    encoder: str
    width: int
    read: int
    accepted: int
    rejected: int
    encoded: int


@takes_verbose
def encode_catalog(config: EncodeConfig | Mapping[str, Any]) -> EncodeReport | None:
    """Encode every image of a catalog into a batch folder; return, and write into report.json, what became of it.

    The folder can be given as `--encoder` to evaluate-search and audit, and as `--data` to index. Killed and run again
    it goes on; once complete it encodes only new and changed images. None where `shard` is given and other parts are
    not done yet.

    Raises:
        InputError: when catalog or encoder cannot be used, or the folder holds other files or another model's output.
    """
    config = as_config(EncodeConfig, config)
    folder = check_batch_dir(config.out, "runs/embeddings")
    load = partial(load_encoding_job, config.encoder, config.weights, config.image_size)
    model = encoder_model(load().encoder, config.encoder, config.weights, config.image_size)
    finished = run_batch(config, folder, model, read_parts(config), load)
    if finished is None:
        return None
    batch, plan = finished
    entries = [*batch.entries()]
    write_rejected(folder, read_rejections(batch))
    report = EncodeReport(
        out=str(folder),
        encoder=config.encoder,
        width=model.width,
        read=plan.rows + plan.rejected,
        accepted=sum(entry.rows for entry in entries),
        rejected=plan.rejected + sum(len(entry.rejected) for entry in entries),
        encoded=sum(entry.encoded for entry in entries),
    )
    write_json(folder / "report.json", asdict(report))
    remove_plan(folder)
    return report


def load_encoding_job(name: str, weights: str, image_size: str | None) -> Job:
    """Load an encoder as the job of a batch run; InputError as `load_encoder`."""
    return Job(load_encoder(name, weights, image_size), None)
