"""Local indexes: the manifest, and segments whose sha256 an attacker has made right."""

import json
from pathlib import Path

import numpy as np

from fashion_keras.search.local import LocalIndex
from fashion_keras.support.atomic_files import file_sha256
from tests.fuzz.target import Check, Target
from tests.fuzz.targets.arrays import _NPY_TOKENS
from tests.fuzz.targets.documents import JSON_TOKENS
from tests.helpers.indexes import SPEC, records

_NAMES = {
    "manifest": "manifest.json",
    "embeddings": "0000000000.embeddings.npy",
    "table": "0000000000.images.arrow",
    "lookup": "0000000000.lookup.npy",
    "deleted": "0000000001.deleted.npy",
}


def _make(folder: Path) -> dict[str, bytes]:
    """Make an index of twelve images, one of them deleted; return the content of its files."""
    index = LocalIndex.create(folder, SPEC, records(0, 12), overwrite=folder.exists())
    index.delete([str(index.ids()[0])])
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".json", ".npy", ".arrow")}


def _seeds(part: str):
    def make() -> list[bytes]:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            return [_make(Path(folder) / "index")[_NAMES[part]]]

    return make


def _prepare(part: str):
    def prepare(folder: Path) -> Check:
        place = folder / "index"
        files = _make(place)
        manifest = json.loads(files["manifest.json"])
        query = np.eye(1, 16, dtype=np.float32)

        def check(data: bytes) -> None:
            for name, content in files.items():
                if not (place / name).is_file() or name in (_NAMES[part], "manifest.json"):
                    (place / name).write_bytes(content)
            path = place / _NAMES[part]
            path.unlink()  # a mapped file must not shrink
            path.write_bytes(data)
            if part != "manifest":
                entry = manifest["deleted"] if part == "deleted" else manifest["segments"][0][part]
                entry |= {"bytes": len(data), "sha256": file_sha256(path)}
                (place / "manifest.json").write_text(json.dumps(manifest))
            _use(LocalIndex(place), query)

        return check

    return prepare


def _use(index: LocalIndex, query: np.ndarray) -> None:
    """Search, filter, look up and list: what a reader of an index does."""
    ids = index.ids()
    index.stats(), repr(index), index.state()
    if len(ids):
        index.nearest(query, 3)
        index.lookup(ids[:2])
        index.find(str(ids[0]))
    index.select([*index.spec.columns], {"gender": "Women"} if "gender" in index.spec.columns else None)


TARGETS = (
    Target("index manifest", _seeds("manifest"), _prepare("manifest"), JSON_TOKENS, weight=0.4),
    Target("index embeddings", _seeds("embeddings"), _prepare("embeddings"), _NPY_TOKENS, weight=0.4, in_child=True),
    Target(
        "index table (Arrow)",
        _seeds("table"),
        _prepare("table"),
        (b"ARROW1", b"\xff\xff\xff\xff", b"column_gender"),
        weight=0.4,
        in_child=True,
    ),
    Target("index lookup", _seeds("lookup"), _prepare("lookup"), _NPY_TOKENS, weight=0.4),
    Target("index deleted rows", _seeds("deleted"), _prepare("deleted"), _NPY_TOKENS, weight=0.4),
)
