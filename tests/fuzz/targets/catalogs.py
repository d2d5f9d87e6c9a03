"""Catalogs: `read_catalog` of small folders whose table, JSON or archive is hostile."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fashion_keras.catalog.readers import read_catalog
from tests.fuzz.target import Check, Target
from tests.fuzz.targets.documents import JSON_TOKENS
from tests.fuzz.targets.images import drawn, encoded
from tests.fuzz.targets.tables import CSV_TOKENS, ROWS, table_seeds

_PATHS = (
    b"../outside/secret.jpg",
    b"/etc/passwd",
    b"images/a.jpg",
    b"a.jpg|b.jpg",
    b"http://x/a.jpg",
    b"x" * 300,
    b"\\..\\..\\x",
    b"a.jpg\0",
    b"C:\\a.jpg",
    b"~/a.jpg",
)


def _prepare(
    name: str, files: Callable[[Path], None] = lambda folder: None, source: str = ""
) -> Callable[[Path], Check]:
    """Return the check of a catalog whose file `name` is the input; `files` writes the others."""

    def prepare(folder: Path) -> Check:
        for image in ("a", "b", "1", "2"):
            for place in (folder, folder / "images", folder / "train"):
                place.mkdir(exist_ok=True)
                (place / f"{image}.jpg").write_bytes(encoded(drawn(), "JPEG"))
        files(folder)

        def check(data: bytes) -> None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
            catalog = read_catalog(folder / source if source else folder)
            assert len(catalog) + len(catalog.rejected) == catalog.inputs
            root = str(folder.parent)
            assert all(
                os.path.realpath(path).startswith((f"{root}/inside", f"{root}/cache")) for path in catalog.paths
            ), "outside"
            _ = catalog.fingerprint, catalog.to_frame()

        return check

    return prepare


def _csv_seeds() -> list[bytes]:
    more = ROWS.replace("sku,image", "sku,additional_image_link").replace("title", "item_group_id")
    return [*table_seeds(), more.encode(), ROWS.replace("sku,", "id,").replace("image", "category").encode()]


def _jsonl_seeds() -> list[bytes]:
    rows = [
        {"sku": n, "image": f"{name}.jpg", "price": 1.5, "tags": ["a", "b"], "size": {"h": 1}}
        for n, name in enumerate("ab")
    ]
    return ["\n".join(map(json.dumps, rows)).encode() + b"\n", json.dumps(rows).encode()]


def _kaggle_styles(folder: Path) -> None:
    (folder / "styles.csv").write_text(
        "id,gender,articleType,productDisplayName\n1,Men,Shirts,One\n2,Women,Shoes,Two\n"
    )


def _kaggle_seeds() -> list[bytes]:
    data = {
        "data": {
            "id": 1,
            "price": 10.5,
            "discountedPrice": 9,
            "brandName": "B",
            "ageGroup": "Adults",
            "fashionType": "Core",
            "articleAttributes": {"Neck": "Round", "Sleeve Length": "Short"},
            "styleImages": {
                "default": {"imageURL": "http://x/1.jpg"},
                "back": {"imageURL": "http://x/y/1_b.jpg"},
                "x": {},
            },
        }
    }
    return [json.dumps(data).encode(), json.dumps({"data": {}}).encode()]


def _label_map(folder: Path) -> None:
    lines = [f"{n},{n // 2},label{n},task{n // 2}" for n in range(6)]
    (folder / "label_map.csv").write_text("labelId,taskId,labelName,taskName\n" + "\n".join(lines) + "\n")


def _annotations(folder: Path) -> None:
    (folder / "train.json").write_bytes(_imaterialist_seeds()[0])


def _imaterialist_seeds() -> list[bytes]:
    document = {
        "images": [{"imageId": "1", "url": ["http://x"]}, {"imageId": "2"}],
        "annotations": [{"imageId": "1", "labelId": ["0", "2"]}, {"imageId": "2", "labelId": ["1"]}],
    }
    return [json.dumps(document).encode(), json.dumps(document, indent=1).encode()]


def _label_map_seeds() -> list[bytes]:
    lines = [f"{n},{n // 2},label{n},task{n // 2}" for n in range(6)]
    return [("labelId,taskId,labelName,taskName\n" + "\n".join(lines) + "\n").encode()]


def _parquet_seeds() -> list[bytes]:
    image = encoded(drawn((12, 14)), "PNG")
    tables = [
        pa.table({"sku": ["1", "2"], "image": ["a.jpg", "b.jpg"], "price": [1.5, None]}),
        pa.table(
            {
                "id": [1, 2],
                "image": [{"bytes": image, "path": "a.png"}, {"bytes": image, "path": None}],
                "label": [0, 1],
            }
        ),
        pa.table({"sku": ["1", "2"], "path": ["a.jpg", "b.jpg"], "n": pa.array(["x", "y"]).dictionary_encode()}),
    ]
    features = {"info": {"features": {"label": {"names": ["Men", "Women"], "_type": "ClassLabel"}}}}
    tables.append(tables[1].replace_schema_metadata({"huggingface": json.dumps(features)}))
    files = []
    for table, compression in zip(tables, ("none", "zstd", "snappy", "none"), strict=True):
        sink = io.BytesIO()
        pq.write_table(table, sink, compression=compression)
        files.append(sink.getvalue())
    return files


def _tar_seeds() -> list[bytes]:
    files = []
    for kind in ("w", "w:gz"):
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode=kind) as archive:
            for name, data in (
                ("0.jpg", encoded(drawn((12, 14)), "JPEG")),
                ("0.json", b'{"sku": "a", "n": {"x": 1}}'),
                ("0.cls", b"Shirts"),
                ("1.png", encoded(drawn((12, 14)), "PNG")),
                ("1.txt", b"Title"),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        files.append(sink.getvalue())
    return files


def repair_tar(data: bytes) -> bytes:
    """Make the checksums of a tar file's headers right."""
    if data[257:262] != b"ustar":
        return data
    blocks = bytearray(data)
    for start in range(0, len(blocks) - 511, 512):
        if blocks[start + 257 : start + 262] == b"ustar":
            blocks[start + 148 : start + 156] = b" " * 8
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(blocks[start : start + 512])
    return bytes(blocks)


TARGETS = (
    Target(
        "catalog CSV",
        _csv_seeds,
        _prepare("products.csv"),
        (*CSV_TOKENS, *_PATHS, b"image_2", b"unnamed: 0"),
        weight=0.4,
    ),
    Target("catalog JSON lines", _jsonl_seeds, _prepare("products.jsonl"), (*JSON_TOKENS, *_PATHS, b"\n"), weight=0.4),
    Target(
        "catalog Parquet",
        _parquet_seeds,
        _prepare("products.parquet"),
        (b"PAR1", b"huggingface", b"ARROW:schema"),
        weight=0.4,
        in_child=True,
    ),
    Target(
        "catalog tar",
        _tar_seeds,
        _prepare("x.tar", source="x.tar"),
        (b"ustar", b"0.jpg", b"../x.jpg", b"\0" * 512, b"5", b"2", b"L", b"x", b"0000644", b"77777777777"),
        repair_tar,
        weight=0.4,
    ),
    Target("Kaggle JSON", _kaggle_seeds, _prepare("styles/1.json", _kaggle_styles), JSON_TOKENS, weight=0.4),
    Target("Kaggle styles.csv", table_seeds, _prepare("styles.csv"), (*CSV_TOKENS, *_PATHS), weight=0.4),
    Target("iMaterialist JSON", _imaterialist_seeds, _prepare("train.json", _label_map), JSON_TOKENS, weight=0.4),
    Target(
        "iMaterialist labels",
        _label_map_seeds,
        _prepare("label_map.csv", _annotations),
        (*CSV_TOKENS, b"../../x"),
        weight=0.4,
    ),
)
