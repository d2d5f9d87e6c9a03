"""train-tagger and tag on the command line: a table, a folder, one JSON object; one line for what is wrong."""

import csv
import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tagger(command, run, sample, tmp_path_factory):
    """The folder of a tagger of the drawn sample, on the tiny run's vectors, and what was printed."""
    folder = tmp_path_factory.mktemp("tagger") / "sample"
    result = command(
        "train-tagger", "--data", sample, "--encoder", run.folder, "--weight-decays", "1e-3", "--promise", 0.8,
        "--min-images", 20, "--out", folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def test_a_tagger_is_judged_in_a_table(tagger):
    folder, printed = tagger
    report = json.loads((folder / "report.json").read_text())
    lines = printed.splitlines()
    assert lines[0].startswith(f"{report['counts']['test']} test products")
    for row in report["attributes"]:
        (line,) = (line for line in lines if line.startswith(f"{row['name']} "))
        assert line.split()[1:3] == [str(row["known"]), str(row["given"])]
    assert any(line.startswith("the gate accepts") for line in lines)
    assert lines[-1].split() == ["folder", str(folder)]
    assert (folder / "gate.png").is_file()


def test_a_catalogue_is_tagged(command, tagger, sample, tmp_path):
    result = command("tag", "--data", sample, "--tagger", tagger[0], "--out", tmp_path / "tags", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["products"] + said["set_aside"] == said["inputs"]
    with (tmp_path / "tags/tags.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "tags/rejected.csv").open() as file:
        assert len(list(csv.DictReader(file))) == said["set_aside"] > 0
    assert len(rows) == said["products"]
    assert not any(row["colour"] or row["gender"] or row["abstained"] for row in rows if not row["product_types"])


KINDS = """\
product_types:
  - {name: footwear, column: master_category, values: [Footwear]}
  - {name: apparel, column: master_category, values: [Apparel]}
  - {name: accessory, column: master_category, values: [Accessories]}
attributes:
  - {name: kind, kind: single, labels: [Watches, Bags, Eyewear], column: sub_category, applies_to: [accessory]}
"""


def test_a_taxonomy_is_enough(command, sample, tmp_path):
    """fashion_small never saw drawings: on them 95 % would be too much to promise."""
    out = tmp_path / "tags"
    (tmp_path / "kinds.yaml").write_text(KINDS)
    result = command("tag", "--data", sample, "--taxonomy", tmp_path / "kinds.yaml", "--promise", 0.8, "--out", out)
    assert result.returncode == 0, result.stderr
    assert "no --tagger: one is learnt from the labels of the catalogue itself" in result.stderr
    said = json.loads((out / "report.json").read_text())
    report = json.loads((out / "tagger/report.json").read_text())
    assert said["parts"] == {name: report["counts"][name] for name in ("train", "validation", "test")}
    assert said["judged"] == report["together"]
    assert f"has learnt from {said['parts']['train']} of these products" in result.stdout
    assert said["tags"]["kind"] > 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train-tagger --taxonomy kagle", ["unknown taxonomy 'kagle'", "'kaggle'"]),
        ("train-tagger --promise 2", ["--promise must be above 0 and below 1"]),
        ("tag --tagger /nowhere", ["/nowhere: no tagger here", "train-tagger"]),
        ("tag", ["--taxonomy", "--tagger", "required"]),
        ("tag --taxonomy kaggle --tagger .", ["--tagger", "not allowed with"]),
        ("tag --tagger . --promise 0.8", ["--promise", "--tagger has its own"]),
        ("tag --taxonomy kaggle --promise 95", ["--promise must be above 0 and below 1, not 95.0"]),
        ("tag --taxonomy kagle", ["unknown taxonomy 'kagle'", "'kaggle'"]),
    ],
)
def test_what_is_wrong_is_one_line(command, arguments, words):
    result = command(*arguments.split())
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert all(word in line for word in words)
