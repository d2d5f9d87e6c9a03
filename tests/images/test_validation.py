"""Image validation: verdicts with their reasons, and no file opened twice."""

import errno
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_keras.analysis.config import AuditConfig, DescribeConfig, RetrievalConfig
from fashion_keras.images import validation
from fashion_keras.images.formats import read_file
from fashion_keras.images.validation import check_images, image_hashes, inspect_images, load_catalog
from fashion_keras.search.config import IndexConfig
from fashion_keras.support.config_fields import LimitConfig
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.config import TagConfig, TaggerConfig


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def opened(monkeypatch):
    """Paths of the files that were opened, in order."""
    paths = []

    def recorded(path):
        paths.append(str(path))
        return read_file(path)

    monkeypatch.setattr(validation, "read_file", recorded)
    return paths


def write_image(path, seed=0):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)).save(path)
    return path


def write_catalog(folder, count=30, broken=()):
    (folder / "images").mkdir(parents=True)
    for row in range(count):
        path = write_image(folder / "images" / f"{row + 1}.png", row)
        if row in broken:
            path.write_bytes(path.read_bytes()[:60])
    lines = [f"{row + 1},Watches,Watch {row}\n" for row in range(count)]
    (folder / "styles.csv").write_text("id,articleType,productDisplayName\n" + "".join(lines))
    return folder


def test_check_images_gives_a_reason_for_each_that_cannot_be_used(tmp_path):
    paths = [tmp_path / f"{row}.png" for row in range(30)]
    for path in paths[:-1]:
        write_image(path)
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    paths[17].write_bytes(b"")
    reasons = {row: reason for row, reason in enumerate(check_images(paths)) if reason}
    assert reasons == {3: "truncated PNG", 17: "empty file", 29: "no such file or directory"}
    assert check_images([]) == []


def test_inspect_images_gives_size_and_content_hash(tmp_path):
    path = write_image(tmp_path / "1.png")
    (verdict,) = inspect_images([path])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert (verdict.reason, verdict.height, verdict.width, verdict.content_hash) == ("", 8, 6, digest)
    (tmp_path / "2.png").write_bytes(b"no image")
    hashes = image_hashes([str(path), tmp_path / "gone.png", tmp_path / "2.png", path])
    assert hashes.tolist() == [digest, "", hashlib.sha256(b"no image").hexdigest()[:16], digest]


def test_load_catalog_of_an_unchanged_catalog_opens_no_image(tmp_path, opened):
    folder = write_catalog(tmp_path / "shop", broken=(4,))
    first = load_catalog(folder)
    assert len(opened) == 30
    opened.clear()
    second = load_catalog(str(folder))
    assert (opened, image_hashes(second.paths).shape) == ([], (29,))
    assert second.fingerprint == first.fingerprint
    assert second.rejected == first.rejected
    assert [row.reason for row in second.rejected] == ["truncated PNG"]


def test_load_catalog_opens_new_and_changed_images_alone(tmp_path, opened):
    folder = write_catalog(tmp_path / "shop")
    load_catalog(folder)
    opened.clear()
    changed = folder / "images" / "7.png"
    changed.write_bytes(changed.read_bytes()[:50])
    missing = folder / "images" / "9.png"
    missing.unlink()
    catalog = load_catalog(folder)
    assert opened == [str(changed)]
    assert len(catalog) == 28


def test_inspect_images_opens_a_file_again_that_could_not_be_read(tmp_path, opened):
    check_images([tmp_path / "late.png"])
    write_image(tmp_path / "late.png")
    assert check_images([tmp_path / "late.png"]) == [""]


def test_inspect_images_takes_names_that_are_not_utf8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    try:
        write_image(path)
    except OSError:
        pytest.skip("the file system takes no such name")
    assert check_images([path, path]) == ["", ""]
    assert check_images([path]) == [""]


def test_inspect_images_does_not_take_a_lack_of_file_handles_for_damage(tmp_path, monkeypatch):
    path = write_image(tmp_path / "1.png")

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"1\.png: too many open files; close files"):
        check_images([path])


def test_inspect_images_names_a_database_that_is_none(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "images.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"images\.sqlite: cannot be used .*delete it"):
        check_images([write_image(tmp_path / "1.png")])


def test_inspect_images_works_from_many_threads_and_processes_at_once(tmp_path, opened):
    paths = [write_image(tmp_path / f"{row}.png", row) for row in range(64)]
    code = (
        "import sys; from pathlib import Path; from fashion_keras.images.validation import check_images\n"
        "print(set(check_images(sorted(Path(sys.argv[1]).glob('*.png')))))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda start: check_images(paths[start:] + paths[:start]), range(16)))
    assert results == [[""] * 64] * 16
    assert [process.communicate(timeout=60)[0] for process in processes] == ["{''}\n"] * 3
    opened.clear()
    check_images(paths)
    assert opened == []


def test_limit_takes_whole_products_and_counts_the_others(tmp_path):
    config = AuditConfig(data=str(write_catalog(tmp_path / "data", count=60)), limit=20, seed=1)
    catalog = load_catalog(config)
    assert 20 <= len(catalog) <= 22
    assert len(catalog) + len(catalog.rejected) == catalog.inputs == 60
    assert {row.reason for row in catalog.rejected} == {"beyond --limit 20"}
    assert load_catalog(config).skus.tolist() == catalog.skus.tolist()
    assert load_catalog(replace(config, seed=2)).skus.tolist() != catalog.skus.tolist()
    assert len(load_catalog(replace(config, limit=None))) == 60


@pytest.mark.parametrize("kind", [AuditConfig, DescribeConfig, RetrievalConfig, IndexConfig, TaggerConfig, TagConfig])
def test_every_command_on_a_catalog_has_a_limit_and_corrections(kind):
    assert {"limit", "corrections"} <= set(kind.__dataclass_fields__)
    assert issubclass(kind, LimitConfig)  # which `read_source` applies


def test_update_with_a_limit_would_remove_the_others():
    with pytest.raises(InputError, match="--update removes what the catalog lacks"):
        IndexConfig(update=True, limit=10)
