"""Batch runs: a catalog is planned, its shards are processed here or on Ray, and the run can be killed at any moment.

Run again on the same folder it goes on; once complete, it encodes only images that are new or have changed.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic

from fashion_keras.batch.config import BatchConfig
from fashion_keras.batch.parts import CatalogParts
from fashion_keras.batch.plan import PLANS, SHARD_ROWS, Plan, make_plan, read_plan, read_shard_plan
from fashion_keras.batch.shards import Job, is_finished, process_shards
from fashion_keras.features.batch_folder import BatchFolder, BatchManifest, BatchModel
from fashion_keras.support.atomic_files import check_output_dir, held_lock, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

log = logging.getLogger("fashion_keras")

PROGRESS = "progress.json"
_PLAN_LOCK = ".plan.lock"
_SECONDS_BETWEEN_FILES = 2.0
_PATIENCE = 3600  # seconds that a worker waits for another one that reads the catalog


@dataclass
class Progress:
    """How far a run is; progress.json holds it, with rate and remaining seconds."""

    path: Path
    images: int
    shards: int
    images_done: int = 0
    shards_done: int = 0
    encoded: int = 0
    reused: int = 0
    rejected: int = 0
    _start: float = field(default_factory=monotonic)
    _written: float = 0.0

    def advance(self, images: int, shards: int = 0) -> None:
        """Count, and write the file, though not too often."""
        self.images_done += images
        self.shards_done += shards
        if monotonic() - self._written > _SECONDS_BETWEEN_FILES:
            self.write("running")

    def write(self, state: str) -> None:
        """Write the file."""
        self._written = monotonic()
        seconds = self._written - self._start
        rate = self.images_done / seconds if seconds else 0.0
        counts = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        left = (self.images - self.images_done) / rate if rate else None
        speed = {"seconds": round(seconds, 1), "images_per_second": round(rate, 1)}
        write_json(self.path, {"state": state, **counts, **speed, "seconds_left": left and round(left, 1)})


def check_batch_dir(given: str | Path | None, default: str, others: Sequence[str] = ()) -> Path:
    """Return the folder for a run: as `check_output_dir`, or that of an earlier run, at whatever moment that ended.

    A folder with a file or folder named in `others` is of an earlier run, too.
    """
    names = {path.name for path in Path(given).iterdir()} if given and Path(given).is_dir() else set()
    has_begun = all(name in PLANS or name.endswith(".lock") for name in names)
    is_own = has_begun or not names.isdisjoint((BatchManifest.FILE, *others))
    return Path(given) if names and is_own else check_output_dir(given, default)


def run_batch(
    config: BatchConfig,
    folder: Path,
    model: BatchModel,
    parts: CatalogParts,
    load_job: Callable[[], Job],
) -> tuple[BatchFolder, Plan] | None:
    """Process a catalog into a folder; return the folder and its plan, or None where other parts are not done yet.

    Args:
        config: engine, part and number of shards.
        folder: new, or that of an earlier run of the same model.
        model: what makes the output.
        parts: the catalog; not read where a run in the folder has not ended.
        load_job: returns what `model` describes; called in each worker, so it must be importable.

    Raises:
        InputError: for a folder of another model, or in use; and as `process_shards`.
        OSError: when the disk is full; the run can be started again.
    """
    part, count = config.part
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder, f".run-{part + 1}-of-{count}.lock"):
        opened, plan = _start(folder, model, parts, config.shards)
        own = range(part, plan.shards, count)
        waiting, images = [], 0
        for number in own:
            shard = read_shard_plan(folder, number, plan)
            if not is_finished(opened, number, shard):
                waiting.append(number)
                images += len(shard.images)
        progress = Progress(folder / PROGRESS, images, len(waiting))
        with ProgressBar("processing", images, "images") as bar:
            for _, done, entry in _process(config, opened, plan, waiting, load_job):
                bar.advance(done)
                if entry:
                    progress.encoded += entry.encoded
                    progress.reused += entry.reused
                    progress.rejected += len(entry.rejected)
                progress.advance(done, entry is not None)
        progress.write("done")
        with _held(folder, _PLAN_LOCK, _PATIENCE):
            if count > 1 and (BatchManifest.read(folder).is_complete or not _all_finished(opened, plan)):
                log.info("part %s is done; the part that ends last writes the tables", config.shard)
                return None
            return opened.complete(is_complete=True), plan


def _all_finished(folder: BatchFolder, plan: Plan) -> bool:
    numbers = range(plan.shards)
    return all(is_finished(folder, number, read_shard_plan(folder.folder, number, plan)) for number in numbers)


def _process(
    config: BatchConfig, folder: BatchFolder, plan: Plan, numbers: list[int], load_job: Callable[[], Job]
) -> Iterator[tuple]:
    if not numbers:
        return iter(())
    if config.engine == "ray":
        from fashion_keras.batch.ray_engine import process_on_ray  # noqa: PLC0415 - an extra

        return process_on_ray(config, folder, plan, numbers, load_job)
    return process_shards(folder, plan, numbers, load_job())


def _start(folder: Path, model: BatchModel, parts: CatalogParts, shards: int | None) -> tuple[BatchFolder, Plan]:
    """Return the folder of a run with its plan: one that was begun, or a new one."""
    with _held(folder, _PLAN_LOCK, _PATIENCE):
        before = BatchManifest.read(folder) if (folder / BatchManifest.FILE).is_file() else None
        if before and before.model.digest != model.digest:
            raise InputError(f"{folder}: its output is of another model ({_difference(before.model, model)}); "
                             "give another --out")  # fmt: skip
        if before and shards and shards != before.shards:
            raise InputError(f"{folder}: has {before.shards} shards, which cannot be changed to {shards}")
        plan = read_plan(folder)
        is_new = plan is None or before is None
        if is_new:
            count = before.shards if before else shards or max(1, -(-parts.rows // SHARD_ROWS))
            plan = make_plan(folder, parts.catalogs, count, has_final_ids=parts.catalog is not None)
            before = BatchManifest(
                source=parts.name, model=model, shards=count, columns=plan.columns, is_complete=False
            )
        else:
            log.info("%s: a run that has not ended goes on, with the catalog as it was then", folder)
            before = replace(before, columns=plan.columns)
        (folder / "shards").mkdir(exist_ok=True)
        opened = BatchFolder(folder, before).complete(is_complete=False)
        if is_new:
            _mark_reused(opened, plan)
        return opened, plan


def _mark_reused(folder: BatchFolder, plan: Plan) -> None:
    """Note in the entries of shards that a new plan leaves as they are that nothing of them is encoded."""
    for number in range(plan.shards):
        if is_finished(folder, number, read_shard_plan(folder.folder, number, plan)):
            entry = folder.entry(number)
            folder.write_entry(number, replace(entry, encoded=0, reused=entry.rows))


def _difference(before: BatchModel, model: BatchModel) -> str:
    old, new = asdict(before), asdict(model)
    name = next(name for name in old if old[name] != new[name] and name != "tagger")
    return f"another {name.removesuffix('_sha256').replace('_', ' ')}"


def _held(folder: Path, name: str, seconds: float = 0) -> AbstractContextManager[None]:
    return held_lock(
        folder / name, f"{folder}: another process is at work here; wait for it, or give another --out", seconds
    )
