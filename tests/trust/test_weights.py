"""Weight files and specs of anybody: refused by one line that names the file, before memory is used."""

import json
import os
import resource
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashion_keras.features.text import TextEncoder
from fashion_keras.models.backbones import BUNDLED
from fashion_keras.models.serialization import SPEC, TEXT, WEIGHTS, load_spec, write_spec
from fashion_keras.models.text import TextSpec
from fashion_keras.models.weights_file import check_weights
from fashion_keras.support.atomic_files import file_sha256, write_json
from fashion_keras.support.errors import InputError

SOURCE = BUNDLED / "fashion_encoder"
ARRAY = "layers/dense/vars/0"


@pytest.fixture
def weights(tmp_path):
    """A small weight file of one dense layer."""
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file[ARRAY] = np.ones((4, 3), np.float32)
        file["layers/dense/vars/1"] = np.zeros(3, np.float16)
    return path


@pytest.fixture
def folder(tmp_path):
    """The bundled encoder's spec with a text tower of few tokens, of which tests alter a file."""
    copy = tmp_path / "encoder"
    (copy / TEXT).mkdir(parents=True)
    content = json.loads((SOURCE / SPEC).read_text())
    (copy / WEIGHTS).write_bytes(bytes(2**14))
    write_json(copy / SPEC, {**content, "sha256": file_sha256(copy / WEIGHTS)})
    spec = TextSpec(width=6, buckets=50, dim=4, hidden=5)
    shapes = {"embedding/vars/0": (51, 4), "dense/vars/0": (4, 5), "dense/vars/1": (5,), "dense_1/vars/0": (5, 6)}
    with h5py.File(copy / TEXT / WEIGHTS, "w") as file:
        for name, shape in {**shapes, "dense_1/vars/1": (6,)}.items():
            file[f"layers/{name}"] = np.ones(shape, np.float32)
    write_spec(spec, copy / TEXT)
    return copy


def replace(path, write):
    """Rewrite one array of a weight file: `write` gets the group and the array's name."""
    with h5py.File(path, "r+") as file:
        del file[ARRAY]
        write(file["layers/dense/vars"], "0")


def external_link(group, name):
    group[name] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(group, name):
    group[name] = h5py.SoftLink("/layers/dense/vars/1")


def virtual(group, name):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4, 3))
    group.create_virtual_dataset(name, layout)


def elsewhere(group, name):
    group.create_dataset(name, (4, 3), "f4", external=[("/etc/passwd", 0, 48)])


def bomb(group, name):
    group.create_dataset(name, (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")


def unfilled(group, name):
    group.create_dataset(name, (2**20, 2**20), "f4", chunks=(1024, 1024))


def objects(group, name):
    group.create_dataset(name, data=["a", "b"], dtype=h5py.string_dtype())


def of_value(value):
    def write(group, name):
        group[name] = np.full((4, 3), value, np.float32)

    return write


def loop(group, name):
    group[name] = group.parent


FAULTS = {
    "external link": (external_link, "link"),
    "soft link": (soft_link, "link"),
    "virtual": (virtual, "other files"),
    "external storage": (elsewhere, "other files"),
    "bomb": (bomb, "declares"),
    "unfilled": (unfilled, "bytes"),
    "texts": (objects, "numbers"),
    "NaN": (of_value(np.nan), "NaN"),
    "infinite": (of_value(-np.inf), "infinite"),
    "group loop": (loop, "no group"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hostile_weight_file_is_refused_by_name(weights, fault):
    write, reason = FAULTS[fault]
    check_weights(weights)
    replace(weights, write)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=reason) as error:
        check_weights(weights)
    assert str(error.value).startswith(str(weights))
    assert len(str(error.value).splitlines()) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_a_chunked_and_compressed_file_of_real_values_is_read(weights):
    values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    replace(weights, lambda group, name: group.create_dataset(name, data=values, compression="gzip"))
    check_weights(weights)


@pytest.mark.parametrize("size", [0, 7, 600, 1500])
def test_a_truncated_weight_file_is_refused(weights, size):
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(InputError, match="not a whole HDF5 file"):
        check_weights(weights)


def test_no_altered_byte_of_a_weight_file_ends_in_another_error(weights):
    """Each byte of the file by itself: refused, or other numbers that the sha256 tells from the right ones."""
    whole = weights.read_bytes()
    random = np.random.default_rng(0)
    for place in random.choice(len(whole), 400, replace=False):
        data = bytearray(whole)
        data[place] ^= 1 << random.integers(8)
        weights.write_bytes(data)
        try:
            check_weights(weights)
        except InputError as error:
            assert str(weights) in str(error)
    with pytest.raises(InputError, match="sha256"):
        check_weights(weights, "0" * 64)


def set_spec(folder, **values):
    """Change model.json, whose sha256 stays right."""
    path = folder / SPEC
    content = json.loads(path.read_text())
    for key, value in values.items():
        *parents, last = key.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"head__dense": [10**9]}, "10"),
        ({"head__dense": [3000, 3000]}, "3000"),
        ({"head__dense": "512"}, "must be a list"),
        ({"head__dropout": 1.5}, "drops out"),
        ({"head__pooling": "../avg"}, "unknown pooling"),
        ({"image_spec__height": 10**6, "image_spec__width": 10**6}, "pixels"),
        ({"image_spec__height": "224"}, "whole number"),
        ({"width": 2**40}, "outputs"),
        ({"backbone": 5}, "must be a text"),
        ({"sha256": 5}, "not a model"),
        ({"kind": "pickle"}, "not a model"),
        ({"kind": ["encoder"]}, "not a model"),
        ({"surplus": 1}, "unknown key"),
        ({"format": "fashion_keras.model/99"}, "this version reads"),
        ({"head__dropout": float("nan")}, "NaN"),
        ({"head__dropout": 1e999}, "not JSON"),
    ],
)
def test_a_spec_that_no_network_has_is_refused_by_name(folder, values, reason):
    set_spec(folder, **values)
    with pytest.raises(InputError, match=reason) as error:
        load_spec(folder)
    assert str(folder / SPEC) in str(error.value)


@pytest.mark.parametrize("name", [SPEC, WEIGHTS, f"{TEXT}/{SPEC}", f"{TEXT}/{WEIGHTS}"])
def test_a_link_out_of_a_model_folder_is_refused(folder, tmp_path, name):
    path, outside = folder / name, tmp_path / "outside"
    path.replace(outside)
    path.symlink_to(outside)
    with pytest.raises(InputError, match="leads out of its folder") as error:
        load_spec(folder)
        TextEncoder(folder)
    assert str(path) in str(error.value)


def test_links_in_a_snapshot_of_the_hub_and_within_a_folder_are_followed(folder, tmp_path):
    snapshot = tmp_path / "models--me--x" / "snapshots" / "abc"
    blobs = tmp_path / "models--me--x" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name in (SPEC, WEIGHTS):
        shutil.copy(folder / name, blobs / name)
        (snapshot / name).symlink_to(Path("..") / ".." / "blobs" / name)
    assert load_spec(snapshot) == load_spec(folder)
    (folder / WEIGHTS).replace(folder / "w.h5")
    (folder / WEIGHTS).symlink_to("w.h5")
    load_spec(folder)
    (snapshot / WEIGHTS).unlink()
    (snapshot / WEIGHTS).symlink_to(folder / "w.h5")
    with pytest.raises(InputError, match="leads out"):
        load_spec(snapshot)


def test_a_text_tower_of_other_shapes_is_refused(folder):
    path = folder / TEXT / WEIGHTS
    with h5py.File(path, "r+") as file:
        name = "layers/dense/vars/1"
        values = file[name][()]
        del file[name]
        file[name] = values[:-1]
    set_spec(folder / TEXT, sha256=file_sha256(path))
    with pytest.raises(InputError, match="of another text tower"):
        TextEncoder(folder).embed(["blue shirt"])


def test_weights_are_not_read_when_their_sha256_is_another(folder):
    path = folder / TEXT / WEIGHTS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="does not match the sha256"):
        TextEncoder(folder).embed(["blue shirt"])


def test_a_lack_of_file_handles_is_not_called_damage(weights):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        with pytest.raises(InputError, match="too many open files"):
            check_weights(weights)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_group_of_other_counts_is_refused(tmp_path):
    (tmp_path / WEIGHTS).write_bytes(bytes(2**14))
    content = json.loads((SOURCE / SPEC).read_text())
    content = {key: content[key] for key in ("format", "sha256", "backbone", "image_spec", "scaling", "head")}
    group = {"name": "../gender", "kind": "single", "classes": ["a", "b"], "paths": [["a"], ["b"]]}
    whole = {**content, "kind": "classifier", "task": "gender", "groups": [group]}
    write_json(tmp_path / SPEC, whole)
    load_spec(tmp_path)
    for change, reason in (
        ({"paths": [["a"]]}, "1 paths"), ({"temperature": 0.0}, "positive"), ({"kind": "other"}, "single or multi"),
        ({"thresholds": [0.5]}, "1 thresholds"), ({"classes": []}, "0 classes"),
    ):  # fmt: skip
        write_json(tmp_path / SPEC, {**whole, "groups": [{**group, **change}]})
        with pytest.raises(InputError, match=reason):
            load_spec(tmp_path)
