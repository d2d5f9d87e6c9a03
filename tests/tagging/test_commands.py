"""Commands train-tagger and tag: the printed table, the folder, JSON, and errors of one line."""

import csv
import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tagger(command, run, sample, tmp_path_factory):
    """The folder of a tagger of the drawn sample, on the tiny run's vectors, and what was printed."""
    folder = tmp_path_factory.mktemp("tagger") / "sample"
    result = command(
        "train-tagger", "--data", sample, "--encoder", run.folder, "--weight-decays", "1e-3", "--target-precision", 0.8,
        "--min-images", 20, "--out", folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def test_train_tagger_prints_a_table(tagger):
    folder, printed = tagger
    report = json.loads((folder / "report.json").read_text())
    lines = printed.splitlines()
    assert lines[0].startswith(f"{report['counts']['test']} test images; target precision 80%")
    for row in report["attributes"]:
        (line,) = (line for line in lines if line.startswith(f"{row['name']} "))
        assert line.removeprefix(row["name"]).split()[:2] == [str(row["known"]), str(row["given"])]
    assert any(line.startswith("gate: accepts") for line in lines)
    assert report["statement"] in lines
    assert lines[-1].split() == ["folder", str(folder)]
    assert (folder / "gate.png").is_file()


def test_tag_prints_json(command, tagger, sample, tmp_path):
    result = command("tag", "--data", sample, "--tagger", tagger[0], "--out", tmp_path / "tags", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["accepted"] + report["rejected"] == report["read"]
    with (tmp_path / "tags/tags.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "tags/rejected.csv").open() as file:
        assert len(list(csv.DictReader(file))) == report["rejected"] > 0
    assert len(rows) == report["accepted"]
    assert not any(row["colour"] or row["gender"] or row["abstained"] for row in rows if not row["product_types"])


KINDS = """\
product_types:
  - {name: footwear, column: master_category, values: [Footwear]}
  - {name: apparel, column: master_category, values: [Apparel]}
  - {name: accessory, column: master_category, values: [Accessories]}
attributes:
  - {name: kind, kind: single, labels: [Watches, Bags, Eyewear], column: sub_category, applies_to: [accessory]}
"""


def test_tag_needs_no_more_than_a_taxonomy(command, sample, tmp_path):
    """fashion_small was not trained on drawings: on them a target precision of 95 % would be too high."""
    out = tmp_path / "tags"
    (tmp_path / "kinds.yaml").write_text(KINDS)
    result = command(
        "tag", "--data", sample, "--taxonomy", tmp_path / "kinds.yaml", "--target-precision", 0.8, "--out", out
    )
    assert result.returncode == 0, result.stderr
    assert "no --tagger: one is trained on the labels of the catalog itself" in result.stderr
    report, trained = (json.loads((folder / "report.json").read_text()) for folder in (out, out / "tagger"))
    assert report["parts"] == {name: trained["counts"][name] for name in ("train", "validation", "test")}
    assert report["test"] == trained["together"]
    assert f"was trained on {report['parts']['train']} of these images" in result.stdout
    assert f"{report['read']} rows and files read: {report['accepted']} accepted" in result.stdout
    assert report["tags"]["kind"] > 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train-tagger --taxonomy kagle", ["unknown taxonomy 'kagle'", "'kaggle'"]),
        ("train-tagger --target-precision 2", ["--target-precision must be above 0 and below 1"]),
        ("tag --tagger /nowhere", ["/nowhere: no tagger here", "train-tagger"]),
        ("tag", ["give one of --taxonomy", "--tagger"]),
        ("tag --taxonomy kaggle --tagger .", ["give one of --taxonomy", "--tagger"]),
        ("tag --tagger . --target-precision 0.8", ["--target-precision", "--tagger has its own"]),
        ("tag --taxonomy kaggle --promise 0.8", ["--promise"]),
        ("tag --taxonomy kaggle --target-precision 95", ["--target-precision must be above 0 and below 1, not 95.0"]),
        ("tag --taxonomy kagle", ["unknown taxonomy 'kagle'", "'kaggle'"]),
    ],
)
def test_tag_commands_refuse_wrong_arguments_in_one_line(command, arguments, words):
    result = command(*arguments.split())
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert all(word in line for word in words)
