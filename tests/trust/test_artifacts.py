"""Every artifact that is loaded, altered by an attacker: refused by one line that names the file; nothing elsewhere."""

import json
import shutil
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fashion_keras.catalog.datasets import _unpack
from fashion_keras.catalog.sources.kaggle_json import read_style_files
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.exports.clients import client
from fashion_keras.features.batch_folder import BatchFolder, BatchManifest, BatchModel, ShardEntry
from fashion_keras.features.runtime import compiled_fault, compiled_folder
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.classifier import Classifier
from fashion_keras.models.own_backbone import check_layers, read_architecture
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.atomic_files import file_sha256, safe_file_name, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.safe_paths import check_file_name, check_links
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.manifest import EncoderReference, TaggerManifest, save_heads
from fashion_keras.training.checkpoints import Checkpoints, TrainerState
from fashion_keras.training.run_folder import Run, resume_run
from tests.helpers.indexes import SPEC, records
from tests.helpers.shop import TAXONOMY, toy_encoder
from tests.helpers.specs import classifier_spec

TRAVERSALS = ("../x", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "a\0b", "~/x", "C:\\x", ".hidden")


def flip(path):
    """Alter a byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def link_out(path):
    """Move a file out of its folder and leave a link."""
    outside = path.parent.parent / f"outside-{path.name}"
    path.replace(outside)
    path.symlink_to(outside)


DAMAGES = {
    "byte": flip,
    "truncated": cut,
    "link": link_out,
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
}


def edit(path, *keys, value):
    """Set a value in a JSON file."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


def assert_refused(load, *parts):
    """Assert one line of InputError that has all parts."""
    with pytest.raises(InputError) as error:
        load()
    assert len(str(error.value).splitlines()) == 1
    for part in parts:
        assert str(part) in str(error.value)


# --- index


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "home" / "index"
    created = LocalIndex.create(folder, SPEC, records(0, 8))
    created.delete(created.ids()[:2])
    return folder


def stored(folder, ending):
    return next(path for path in folder.iterdir() if path.name.endswith(ending))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", ["embeddings.npy", "images.arrow", "lookup.npy", "deleted.npy"])
def test_an_altered_file_of_an_index_is_refused(index, ending, damage):
    path = stored(index, ending)
    DAMAGES[damage](path)
    assert_refused(lambda: LocalIndex(index), path)


def rehash(folder, path):
    """Write what the manifest names of a file, as its author could."""
    text = json.dumps(json.loads((folder / "manifest.json").read_text()))
    content = json.loads(text)
    entries = [each[kind] for each in content["segments"] for kind in ("embeddings", "table", "lookup")] + [
        content["deleted"]
    ]
    for entry in entries:
        if entry["name"] == path.name:
            entry |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    (folder / "manifest.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("ending", "values", "reason"),
    [
        ("embeddings.npy", np.zeros((8, 16), np.float64), "float64"),
        ("embeddings.npy", np.zeros((7, 16), np.float32), "[7, 16]"),
        ("embeddings.npy", np.array([{}] * 8, object), "not a whole array"),
        ("lookup.npy", np.full((2, 8), 8, np.uint64), "row 8 of 8"),
        ("lookup.npy", np.zeros((2, 7), np.uint64), "[2, 7]"),
        ("deleted.npy", np.array([0, 8], np.int64), "row 8 of 8"),
        ("deleted.npy", np.array([-1], np.int64), "of 8"),
        ("deleted.npy", np.array([0.5]), "float64"),
    ],
)
def test_wrong_arrays_of_an_index_with_right_hashes_are_refused(index, ending, values, reason):
    path = stored(index, ending)
    np.save(path, values, allow_pickle=True)
    rehash(index, path)
    assert_refused(lambda: LocalIndex(index), path, reason)


def test_a_wrong_table_of_an_index_with_right_hashes_is_refused(index):
    path = stored(index, "images.arrow")
    with pa.ipc.new_file(str(path), table_schema := pa.schema({"id": pa.string()})) as writer:
        writer.write_table(pa.table({"id": ["a"]}, schema=table_schema))
    rehash(index, path)
    assert_refused(lambda: LocalIndex(index), path)
    path.write_bytes(b"ARROW1\0\0" + b"\xff" * 200)
    rehash(index, path)
    assert_refused(lambda: LocalIndex(index), path, "Arrow")


@pytest.mark.parametrize("name", TRAVERSALS)
def test_a_manifest_of_an_index_names_no_file_elsewhere(index, name):
    edit(index / "manifest.json", "segments", 0, "embeddings", "name", value=name)
    assert_refused(lambda: LocalIndex(index), index / "manifest.json")


# --- tagger


@pytest.fixture
def tagger(tmp_path):
    folder = tmp_path / "home" / "tagger"
    folder.mkdir(parents=True)
    (tmp_path / "shop.yaml").write_text(TAXONOMY)
    head = LinearHead(
        "dial", "single", ("Dark", "Light"), ("watch",), np.ones((2, 3), np.float32), np.zeros(2, np.float32), 0.1, 1.0,
        np.array([0.5, np.inf]),
    )  # fmt: skip
    gate = replace(head, name="product type", kind="multi", classes=("watch", "shoe"), applies_to=())
    save_heads(folder, [gate, head], EncoderReference("toy", "auto", "1"), 0.9, load_taxonomy(tmp_path / "shop.yaml"))
    return folder


def load_heads(folder):
    return TaggerManifest.read(folder).load_heads(folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_altered_arrays_of_a_tagger_are_refused(tagger, damage):
    assert len(load_heads(tagger)) == 2
    DAMAGES[damage](tagger / "heads.npz")
    assert_refused(lambda: load_heads(tagger), tagger / "heads.npz")


def arrays(**changes):
    values = {"weights_0": np.ones((2, 3), np.float32), "bias_0": np.zeros(2, np.float32)}
    values |= {"weights_1": np.ones((2, 3), np.float32), "bias_1": np.zeros(2, np.float32)}
    return {**values, **changes}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (arrays(weights_1=np.ones((2, 4), np.float32)), "arrays of"),
        (arrays(bias_1=np.zeros(3, np.float32)), "arrays of"),
        (arrays(weights_1=np.full((2, 3), np.nan, np.float32)), "NaN"),
        (arrays(weights_1=np.full((2, 3), np.inf, np.float32)), "infinite"),
        (arrays(weights_1=np.ones((2, 3), np.int64)), "int64"),
        (arrays(weights_1=np.array([{}, {}], object)), "object"),
        ({"weights_0": np.ones((2, 3), np.float32)}, "arrays of"),
    ],
)
def test_wrong_arrays_of_a_tagger_with_the_right_hash_are_refused(tagger, values, reason):
    path = tagger / "heads.npz"
    np.savez(path, **values)
    edit(tagger / "tagger.json", "sha256", value=file_sha256(path))
    assert_refused(lambda: load_heads(tagger), path, reason)


def test_a_bomb_in_the_arrays_of_a_tagger_is_refused(tagger):
    path = tagger / "heads.npz"
    for write in (bomb_header, bomb_deflated):
        with zipfile.ZipFile(path, "w") as archive:
            write(archive)
        edit(tagger / "tagger.json", "sha256", value=file_sha256(path))
        assert_refused(lambda: load_heads(tagger), path)


def bomb_header(archive):
    """A member whose header declares 4 TB."""
    with archive.open("weights_0.npy", "w") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**20, 2**20)}
        np.lib.format.write_array_header_1_0(file, header)


def bomb_deflated(archive):
    archive.writestr("weights_0.npy", bytes(2**24), zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("heads", 0, "temperature"), 0), (("heads", 0, "temperature"), "1"), (("heads", 0, "classes"), []),
        (("heads", 0, "thresholds"), [0.5]), (("gate",), None), (("format",), "x"), (("sha256",), 5), (("extra",), 1),
    ],
)  # fmt: skip
def test_a_wrong_manifest_of_a_tagger_is_refused(tagger, keys, value):
    edit(tagger / "tagger.json", *keys, value=value)
    assert_refused(lambda: load_heads(tagger), tagger / "tagger.json")


# --- batch folder


@pytest.fixture
def batch(tmp_path):
    folder = tmp_path / "home" / "batch"
    (folder / "shards").mkdir(parents=True)
    model = BatchModel("toy", "auto", None, "1", "1-f", ImageSpec(8, 6), 2, None, None, None, {}, "1")
    BatchManifest(source="shop", model=model, shards=1, columns={}, is_complete=True).write(folder)
    path = folder / "shards" / f"00000-{'a' * 16}.parquet"
    pq.write_table(pa.table({"image_id": ["x", "y"], "embedding": [[1.0, 0.0], [0.0, 1.0]]}), path)
    entry = ShardEntry(
        plan="a" * 16, model=model.digest, sha256=file_sha256(path), bytes=path.stat().st_size, rows=2, products=2,
        encoded=2, reused=0,
    )  # fmt: skip
    write_json(folder / "shards" / "00000.json", asdict(entry))
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_altered_shard_is_refused(batch, damage):
    assert len(BatchFolder.open(batch).table(0)) == 2
    path = next((batch / "shards").glob("*.parquet"))
    if damage == "link":
        outside = batch.parent / "outside"
        path.replace(outside)
        path.symlink_to(outside)
    else:
        DAMAGES[damage](path)
    assert_refused(lambda: BatchFolder.open(batch).table(0), path)


@pytest.mark.parametrize("plan", [*TRAVERSALS, "../../x", "a" * 65, "A"])
def test_a_plan_that_is_no_digest_makes_no_path(batch, plan):
    edit(batch / "shards" / "00000.json", "plan", value=plan)
    assert_refused(lambda: BatchFolder.open(batch).table(0), "00000.json", "digest")


def test_a_shard_of_other_rows_than_its_entry_is_refused(batch):
    edit(batch / "shards" / "00000.json", "rows", value=3)
    assert_refused(lambda: BatchFolder.open(batch).table(0), "2 rows", "names 3")


# --- compiled networks


@pytest.fixture
def compiled(tmp_path):
    folder = tmp_path / "home" / "networks"
    folder.mkdir(parents=True)
    (folder / "network.xml").write_text("<net/>")
    (folder / "network.bin").write_bytes(bytes(64))
    files = {name: file_sha256(folder / name) for name in ("network.xml", "network.bin")}
    write_json(folder / "network.json", {"format": "fashion_keras.openvino/2", "source": "s", "files": files})
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["network.xml", "network.bin"])
def test_an_altered_compiled_network_is_not_used(compiled, name, damage):
    assert compiled_fault(compiled, "s") == ""
    DAMAGES[damage](compiled / name)
    assert str(compiled / name) in compiled_fault(compiled, "s")


@pytest.mark.parametrize("name", TRAVERSALS)
def test_an_identity_makes_no_path_elsewhere(name):
    assert_refused(lambda: compiled_folder(name), "no plain file name")


# --- run folders and checkpoints


@pytest.mark.parametrize("name", [*TRAVERSALS, "../../home/x.weights.h5"])
def test_a_training_state_names_no_file_elsewhere(tmp_path, name):
    files = Checkpoints(tmp_path)
    write_json(files.folder / "state.json", asdict(TrainerState(epoch=1, best_files=[name])))
    assert_refused(files.read, files.folder / "state.json")


@pytest.mark.parametrize(
    ("key", "value"), [("epoch", "1"), ("history", [5]), ("best_files", "x"), ("phase", 1.5), ("surplus", 1)]
)
def test_a_training_state_of_other_types_is_refused(tmp_path, key, value):
    files = Checkpoints(tmp_path)
    write_json(files.folder / "state.json", {**asdict(TrainerState()), key: value})
    assert_refused(files.read, files.folder / "state.json", key)


@pytest.mark.parametrize("name", ["checkpoint", "log.txt", "gender", "fold1"])
def test_a_run_whose_files_lead_elsewhere_is_not_resumed(tmp_path, name):
    """The folder that a link names would be written to, and `checkpoint` emptied."""
    outside, run = tmp_path / "precious", tmp_path / "run"
    outside.mkdir()
    (outside / "file").write_text("mine")
    run.mkdir()
    (run / name).symlink_to(outside)
    assert_refused(lambda: resume_run(run, None, None, None, None, ()), run / name, "leads out")
    assert (outside / "file").read_text() == "mine"


def test_folds_of_a_report_name_no_folder_elsewhere(tmp_path):
    class Folds:
        folds = ({"fold": 1, "folder": "../../home"},)

    assert_refused(lambda: Run(tmp_path, Folds()).history, "plain file name")


# --- a user's own backbone

CONFIG = {"class_name": "Functional", "config": {"layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [None, 32, 32, 3]}, "module": "keras.layers"},
]}}  # fmt: skip


def write_backbone(path, config=CONFIG, **members):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        for name, data in members.items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    "members",
    [{"../../x": b""}, {"assets/vocabulary.txt": b""}, {"/etc/x": b""}, {"model.weights.h5": bytes(2**25)}],
)
def test_members_of_a_keras_file_that_keras_does_not_write_are_refused(tmp_path, members):
    assert_refused(lambda: read_architecture(write_backbone(tmp_path / "x.keras", **members)), tmp_path / "x.keras")


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "{", "[" * 100_000, '{"class_name": "Functional"}', '{"class_name": "Lambda"}']
)
def test_a_keras_file_without_a_model_is_refused(tmp_path, text):
    assert_refused(lambda: read_architecture(write_backbone(tmp_path / "x.keras", text)), tmp_path / "x.keras")


@pytest.mark.parametrize(
    "entry",
    [
        {"class_name": "Lambda", "module": "keras.layers"},
        {"class_name": "TFSMLayer", "module": "keras.layers"},
        {"class_name": "TorchModuleWrapper", "module": "keras.layers"},
        {"class_name": "StringLookup", "module": "keras.layers"},
        {"class_name": "__lambda__", "config": {"value": "x"}},
        {"class_name": "function", "config": "system", "module": "os"},
        {"class_name": "Popen", "module": "subprocess", "registered_name": "Popen"},
    ],
)
def test_code_in_an_architecture_is_refused(entry):
    whole = {**CONFIG, "config": {"layers": [*CONFIG["config"]["layers"], {**entry, "config": {"name": "x"}}]}}
    check_layers(json.dumps(CONFIG), "x.keras")
    assert_refused(lambda: check_layers(json.dumps(whole), "x.keras"), "x.keras", entry["class_name"])


# --- names and archives


@pytest.mark.parametrize("name", TRAVERSALS)
def test_a_stored_name_that_is_a_path_is_refused(name):
    assert_refused(lambda: check_file_name(name, "state.json"), "state.json")


@pytest.mark.parametrize("name", [*TRAVERSALS, "con", "x" * 300, "a:b", "é/é", "\ud800"])
def test_a_label_becomes_the_name_of_one_file(tmp_path, name):
    safe = safe_file_name(name)
    path = tmp_path / safe
    path.write_text("x")
    assert [*tmp_path.iterdir()] == [path]


def test_links_within_a_folder_are_followed_and_all_of_a_folder_are_checked(tmp_path):
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("x")
    (folder / "sub" / "b").symlink_to("../a")
    check_links(folder)
    (folder / "sub" / "c").symlink_to("../../outside")
    assert_refused(lambda: check_links(folder), folder / "sub" / "c")


@pytest.mark.parametrize("name", ["set/images/../../../../evil", "../x/styles.csv", "set/images/bomb"])
def test_an_archive_of_the_kaggle_set_writes_nothing_elsewhere(tmp_path, name):
    archive = tmp_path / "a" / "downloads" / "x.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        if "styles.csv" not in name:
            file.writestr("set/styles.csv", "id\n1\n")
        file.writestr(name, bytes(2**22) if "bomb" in name else b"x")
    before = sorted(tmp_path.rglob("*"))
    assert_refused(lambda: _unpack(archive, tmp_path / "a" / "set"), archive)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sku_names_no_style_file_elsewhere(tmp_path):
    (tmp_path / "styles").mkdir()
    whole = json.dumps({"data": {"price": 5}})
    (tmp_path / "7.json").write_text(whole)
    shutil.copy(tmp_path / "7.json", tmp_path / "styles" / "7.json")
    columns, _, rejected, _ = read_style_files(tmp_path / "styles", ["7", "../7", str(tmp_path / "7")])
    assert columns["price"] == ["5", "", ""]
    assert not rejected


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "golden/../../x"])
def test_the_client_of_an_export_reads_no_file_elsewhere(tmp_path, name):
    with pytest.raises(ValueError, match="leads out of the export"):
        client.load_network(tmp_path / "export", {"model_format": "keras", "file": name})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_of_a_damaged_network_are_refused(value):
    def forward(pixels):
        return np.full((len(pixels), 2), value, np.float32)

    image = np.full((8, 6, 3), 90, np.uint8)
    spec = classifier_spec(size=(8, 6))
    assert_refused(lambda: Classifier(spec, forward).predict(image), "NaN or infinite")
    assert_refused(lambda: Classifier(spec, lambda pixels: forward(pixels)[:, :1]).predict(image), "[1, 1], not [1, 2]")
    assert_refused(lambda: replace(toy_encoder(), forward=forward).embed(image), "NaN or infinite")
