"""Faults found by attacking the package: passwords, numbers, the end of a run, undefined scores, JPEG holes."""

import importlib
import io
import json
import logging
import math
import pkgutil
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fashion_keras
from fashion_keras import TrainConfig
from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.sources.csv_reader import read_text_table
from fashion_keras.images.formats import from_bytes
from fashion_keras.images.raster import ImageError
from fashion_keras.images.references import read_reference
from fashion_keras.search.filters import parse_filters
from fashion_keras.support.atomic_files import finite_json, read_json, write_json
from fashion_keras.support.config_fields import Config, field_type
from fashion_keras.support.errors import InputError, hide_passwords
from tests.helpers.cli import assert_one_line, run_cli

# --- passwords

SECRET = "s3cr3t/p@ss"
ADDRESSES = (
    f"postgresql://me:{SECRET}@no-such-host.invalid/shop", f"s3://key:{SECRET}@bucket/a.jpg", f"https://me:{SECRET}@host/x",
    f"ftp://me:{SECRET}@127.0.0.1/x",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_error_line_log_or_rejected_row_has_a_password(address, caplog):
    text = f"{address}: cannot be read ({address})"
    shown = [
        str(InputError(text)),
        str(ImageError(text)),
        Rejected(address, "1", text).where,
        Rejected("", "", text).reason,
    ]
    with caplog.at_level(logging.INFO, "fashion_keras"):
        logging.getLogger("fashion_keras").info("reading %s", address)
    assert SECRET not in "".join([*shown, caplog.text])
    assert all("@" in each for each in shown if each)


def test_addresses_without_a_password_are_shown_as_they_are():
    for text in (
        "s3://bucket/a.jpg",
        "http://host:8000/x@y",
        "postgresql://me@host:5432/x?index=a:b",
        "a@b: c",
        "C:/x@y",
    ):
        assert hide_passwords(text) == text


@pytest.mark.parametrize(
    "words",
    [
        ("index", "--data", "sample", "--limit", "4", "--out"), ("search", "1", "--index"),
        ("evaluate-search", "--data", "sample", "--index"), ("train", "--data"), ("data", "describe"),
        ("search", "--index", "x"), ("tag", "--tagger", "x", "--data"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ADDRESSES[:2])
def test_no_command_prints_a_password(words, address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_cli(*words, address)
    assert result.returncode == 2
    assert not [path for path in Path().iterdir() if ":" in path.name]
    assert "s3cr3t" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


# --- numbers


def config_classes():
    """Every config class of the package."""
    for module in pkgutil.walk_packages(fashion_keras.__path__, "fashion_keras."):
        if module.name.rpartition(".")[2].endswith("config") or module.name.endswith("config_fields"):
            importlib.import_module(module.name)
    todo, seen = [Config], set()
    while todo:
        for kind in todo.pop().__subclasses__():
            if kind not in seen:
                seen.add(kind)
                todo.append(kind)
    return sorted(seen, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", config_classes(), ids=lambda kind: kind.__name__)
def test_numbers_beyond_range_are_refused(kind):
    for field in fields(kind):
        if field_type(kind, field.name) in (int, float):
            for value in (math.nan, math.inf, 10**30, -(10**30)):
                whole = field_type(kind, field.name) is int
                if whole or not math.isfinite(value):
                    with pytest.raises(InputError):
                        kind(**{field.name: value})
            with pytest.raises(InputError):
                kind(**{field.name: 10**5000})


@pytest.mark.parametrize("where", [{"price": 10**5000}, {"price": {"gte": 10**5000}}])
def test_filters_beyond_range_are_refused(where):
    with pytest.raises(InputError, match="bits"):
        parse_filters(where)


@pytest.mark.parametrize("seed", ["4294967296", "-1", "1e3", "0x10", "9" * 5000])
def test_seeds_beyond_32_bits_are_refused(seed):
    assert_one_line(run_cli("train", "--data", "sample", f"--seed={seed}"), "seed")
    assert TrainConfig(seed=2**32 - 1).seed == 2**32 - 1


def test_undefined_scores_are_null_in_json_and_foreign_nan_is_refused(tmp_path):
    report = {"f1": math.nan, "rows": [{"loss": math.inf, "n": 3}], "name": "NaN"}
    write_json(tmp_path / "a.json", finite_json(report))
    assert read_json(tmp_path / "a.json") == {"f1": None, "rows": [{"loss": None, "n": 3}], "name": "NaN"}
    for text in ('{"a": NaN}', '{"a": -Infinity}', '{"a": [Infinity]}', '{"a": [%s]}' % ("9" * 400)):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(InputError, match=r"b\.json: not JSON"):
            read_json(tmp_path / "b.json")


def test_a_history_with_an_undefined_metric_is_saved_and_read_again(tmp_path):
    import keras

    from fashion_keras.training.checkpoints import Checkpoints, TrainerState

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    files = Checkpoints(tmp_path)
    row = {"epoch": 1, "phase": "head", "loss": 0.5, "macro_f1": math.nan}
    files.write(model, TrainerState(epoch=1, history=[row], counters={"EarlyStopping": {"best": math.inf}}))
    assert json.loads((files.folder / "state.json").read_text())["history"][0]["macro_f1"] is None
    assert (tmp_path / "history.csv").read_text() == "epoch,phase,loss,macro_f1\n1,head,0.5,\n"
    (again,) = files.read().history
    assert math.isnan(again.pop("macro_f1"))
    assert again == {"epoch": 1, "phase": "head", "loss": 0.5}


# --- the end of a run

PROGRAM = """
import atexit, sys, threading, time
from fashion_keras.__main__ import program

def stop_slowly():
    print("stopping", flush=True)
    time.sleep(20)

atexit.register(stop_slowly)
sys.exit(program(["data", "--help"] if sys.argv[1] == "help" else ["runs", "--json", "no-such"]))
"""


def test_ctrl_c_while_the_libraries_stop_prints_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "runs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    lines = []
    while not lines or lines[-1].strip() != "stopping":
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors
    assert process.returncode == -signal.SIGINT


# --- images and tables


def encode(width, height, seed, **options):
    """A JPEG of soft colors; never gray at its end."""
    pixels = np.random.default_rng(seed).integers(0, 255, (5, 4, 3)).astype(np.uint8)
    pixels[-1] = (250, 40, 90)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("quality", [60, 85, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_whose_last_block_is_missing_is_refused(quality, subsampling):
    for seed in range(8):
        data = encode(33 + 7 * seed, 48 + 5 * seed, seed, quality=quality, subsampling=subsampling)
        assert from_bytes(data).pixels.shape == (48 + 5 * seed, 33 + 7 * seed, 3)
        for missing in (2, 3, 5, 10, 20, 40):
            with pytest.raises(ImageError, match="truncated"):
                from_bytes(data[: -2 - missing] + data[-2:])


def test_a_progressive_jpeg_without_the_end_of_its_last_scan_is_refused():
    for seed in range(8):
        data = encode(64, 48, seed, quality=85, progressive=True)
        from_bytes(data)
        for missing in (3, 5, 20):
            with pytest.raises(ImageError, match="truncated"):
                from_bytes(data[: -2 - missing] + data[-2:])


def test_bytes_between_the_last_block_and_the_end_marker_spoil_no_whole_jpeg():
    data = encode(64, 48, 1, quality=85)
    padded = data[:-2] + bytes(50) + data[-2:]
    np.testing.assert_array_equal(from_bytes(padded).pixels, from_bytes(data).pixels)


def test_a_cell_above_the_limit_of_csv_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"sku,text\n1,{'x' * 200_000}\n")
    table = read_text_table(path)
    assert len(table.records[0][1][1]) == 200_000


def test_a_tar_member_is_not_called_damaged_for_want_of_file_handles(tmp_path, monkeypatch):
    import errno

    (tmp_path / "a.tar").write_bytes(bytes(100))

    def refuse(self, *_, **__):
        raise OSError(errno.EMFILE, "Too many open files", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="too many open files: raise the limit") as error:
        read_reference(f"{tmp_path / 'a.tar'}#0+10")
    assert not isinstance(error.value, ImageError)


def test_figures_of_heads_with_hostile_names_stay_in_the_run(tmp_path):
    from fashion_keras.catalog.label_groups import LabelGroup
    from fashion_keras.evaluation.reports.write import plot_report
    from fashion_keras.images.spec import ImageSpec
    from fashion_keras.models.predictions import Predictions

    run = tmp_path / "home" / "run"
    group = LabelGroup("../../evil", "multi", ("a", "b"), (("a",), ("b",)), "sigmoid")
    groups = (group, replace(group, name="/tmp/evil-absolute"))
    random = np.random.default_rng(0)
    shares, truth = random.random((12, 4)).astype(np.float32), random.integers(0, 2, (12, 4))
    plot_report(run, Predictions(np.arange(12).astype(str), shares, groups, truth), ["x"] * 12, ImageSpec(8, 6))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 4
    assert all(path.is_relative_to(run) for path in written)
    assert not Path("/tmp/evil-absolute").exists()
