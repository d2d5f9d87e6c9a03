"""The iMaterialist format: every entry is in the catalog or rejected with a reason."""

import json

import pytest
from PIL import Image

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sources.imaterialist import read_imaterialist
from fashion_keras.catalog.targets import encode_groups
from fashion_keras.support.atomic_files import safe_file_name
from fashion_keras.support.errors import InputError

MAP = """labelId,taskId,labelName,taskName
66,3,Female,gender
106,3,Male,gender
17,2,Black,color
19,2,Blue,color
77,2,Gold,color
105,8,Long Sleeved,sleeve
171,8,Sleeveless,sleeve
89,1,"Hosiery, Stockings, Tights",category
92,1,Jeans,category
"""


def write(folder, images, annotations, files=(), label_map=MAP):
    """Write the three sources; `images` are ids, `annotations` pairs of id and labels."""
    (folder / "images").mkdir()
    for name in files:
        Image.new("RGB", (4, 4)).save(folder / "images" / name)
    document = {
        "info": {"year": 2018},
        "images": [{"url": f"https://example.org/{image}.jpg", "imageId": image} for image in images],
        "annotations": [{"imageId": image, "labelId": labels} for image, labels in annotations],
    }
    (folder / "train.json").write_text(json.dumps(document, indent=1))
    (folder / "labels.csv").write_text(label_map)


def read(folder, labels="labels.csv"):
    return read_imaterialist(folder / "train.json", folder / labels, folder / "images")


def reasons(catalog):
    return {row.where: row.reason for row in catalog.rejected}


def test_read_imaterialist_groups_labels_by_task(tmp_path):
    write(tmp_path, ["2", "1"], [("1", ["66", "17", "77", "105"]), ("2", ["106", "89"])], ["1.jpg", "2.png"])
    catalog = read(tmp_path)
    assert catalog.skus.tolist() == ["2", "1"]
    assert catalog.paths.tolist() == [str(tmp_path / "images" / "2.png"), str(tmp_path / "images" / "1.jpg")]
    assert catalog.columns["color"].tolist() == ["", "Black|Gold"]
    assert catalog.columns["category"].tolist() == ["Hosiery, Stockings, Tights", ""]
    assert catalog.rejected == ()
    assert [(group.name, group.kind, group.is_color) for group in catalog.attribute_groups] == [
        ("labels:gender", "multi", False),
        ("labels:color", "multi", True),
        ("column:sleeve", "single", False),
        ("column:category", "single", False),
    ]


def test_read_imaterialist_leaves_unlabeled_tasks_unknown(tmp_path):
    notes = [("1", ["66", "17", "77"]), ("2", ["106", "89"]), ("3", ["19"])]
    write(tmp_path, ["1", "2", "3"], notes, ["1.jpg", "2.jpg", "3.jpg"])
    catalog = read(tmp_path)
    targets = encode_groups(catalog.attribute_groups[:2], catalog.columns)
    assert [group.classes for group in targets.groups] == [("Female", "Male"), ("Black", "Blue", "Gold")]
    assert targets.group("labels:gender").values.tolist() == [[1, 0], [0, 1], [-1, -1]]
    assert targets.group("labels:color").values.tolist() == [[1, 0, 1], [-1, -1, -1], [0, 1, 0]]


def test_read_imaterialist_counts_what_it_rejects_and_why(tmp_path):
    images = ["1", "2", "3", "4", "5", "1", "x9", "6"]
    annotations = [
        ("1", ["17"]), ("2", ["17"]), ("4", ["17", "999"]), ("5", ["105", "171"]), ("1", ["19"]), ("8", ["17"]),
        ("6", []),
    ]  # fmt: skip
    files = ["1.jpg", "1.png", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "77.jpg", "photo.jpg"]
    write(tmp_path, images, annotations, files)
    catalog = read(tmp_path)
    assert catalog.skus.tolist() == ["1"]
    assert catalog.columns["color"].tolist() == ["Black"]
    assert reasons(catalog) == {
        "train.json images[1]": "not downloaded: no file imageId.jpg",
        "train.json images[2]": "no annotation",
        "train.json images[3]": "annotations[2]: label '999' is not in labels.csv",
        "train.json images[4]": "annotations[3]: 2 labels of the single-valued task 'sleeve'",
        "train.json images[5]": "imageId 1 is at images[0] already",
        "train.json images[6]": "imageId 'x9' is not a whole number of at most 18 digits",
        "train.json images[7]": "no annotation",
        "train.json annotations[4]": "second annotation of imageId 1",
        "train.json annotations[5]": "annotation of an image that is not listed",
        "images/1.png": "second file of imageId 1",
        "images/77.jpg": "file of an image that is not listed",
        "images/photo.jpg": "not named imageId.jpg",
    }
    assert catalog.inputs == len(images) + 2 + 3 == len(catalog) + len(catalog.rejected)


def test_read_label_map_from_json_with_numbers_as_ids(tmp_path):
    write(tmp_path, [1], [(1, [17])], ["001.jpg"])
    rows = [dict(zip(("labelId", "labelName"), pair, strict=True)) for pair in ((17, "Black"), (19, "Blue"))]
    (tmp_path / "labels.json").write_text(json.dumps([row | {"taskId": 2, "taskName": "color"} for row in rows]))
    catalog = read(tmp_path, "labels.json")
    assert catalog.skus.tolist() == ["1"]
    assert catalog.columns["color"].tolist() == ["Black"]


def test_fingerprint_follows_the_labels(tmp_path):
    prints = []
    for name, label in (("a", "17"), ("b", "17"), ("c", "19")):
        (tmp_path / name).mkdir()
        write(tmp_path / name, ["1"], [("1", [label])], ["1.jpg"])
        prints.append(read(tmp_path / name).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def break_json(text):
    return text.replace('"annotations"', "annotations")


def drop_key(text):
    return text.replace('"imageId": "2",\n   "labelId"', '"labelId"')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (break_json, r"train\.json:15: not JSON \(Expecting property name"),
        (drop_key, r"train\.json:22: annotations\[1\] has no key 'imageId'"),
        (
            lambda text: text.replace('"labelId": [\n    "19"\n   ]', '"labelId": "19"'),
            r"json:22: .*'labelId' holds no",
        ),
        (lambda text: text.replace('"imageId": "2"\n', '"id": "2"\n'), r"json:10: images\[1\] has no key 'imageId'"),
        (lambda text: text.replace('"annotations"', '"notes"'), r"json:1: the key 'annotations' is missing"),
        (lambda text: "[]", r"train\.json:1: expected an object"),
    ],
)
def test_read_imaterialist_names_line_and_key_of_malformed_annotations(tmp_path, change, message):
    write(tmp_path, ["1", "2"], [("1", ["17"]), ("2", ["19"])], ["1.jpg"])
    path = tmp_path / "train.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        (MAP + "93,1,Leggings\n", r"labels\.csv:11: no value for the key 'taskName'"),
        (MAP.replace("labelName", "name"), r"labels\.csv:2: no value for the key 'labelName'"),
        (MAP + "92,1,Leggings,category\n", r"labels\.csv:11: label 92 \(category: Leggings\) is there already"),
        (MAP + "93,1,Jeans,category\n", r"labels\.csv:11: label 93 \(category: Jeans\) is there already"),
        (MAP + "93,1,Tights|Socks,category\n", r"labels\.csv:11: .* no '\|' in its name"),
        (MAP + '93,1,Leggings,"a,b"\n', r"labels\.csv:11: .* no ',' in its task's"),
        (MAP + "49,5,Collared,neckline\n", r"labels\.csv: task 'neckline' has 1 labels; a task needs two"),
    ],
)
def test_read_label_map_names_the_malformed_line(tmp_path, label_map, message):
    write(tmp_path, ["1"], [("1", ["17"])], ["1.jpg"], label_map)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_read_label_map_names_the_malformed_line_of_json(tmp_path):
    write(tmp_path, ["1"], [("1", ["17"])], ["1.jpg"])
    (tmp_path / "labels.json").write_text('[\n{"labelId": 1, "taskId": 2, "labelName": "A", "taskName": "t"},\n{}\n]')
    with pytest.raises(InputError, match=r"labels\.json:3: \[1\] has no key 'labelId'"):
        read(tmp_path, "labels.json")


def official(folder, annotations, images="images"):
    """Give the files their official names."""
    (folder / "train.json").rename(folder / annotations)
    (folder / "labels.csv").rename(folder / "iMat_fashion_2018_label_map_228.csv")
    (folder / "images").rename(folder / images)


@pytest.mark.parametrize(
    ("annotations", "images", "data"),
    [
        ("train.json", "images", ""),
        ("train.json", "train", ""),
        ("validation.json", "validation", ""),
        ("validation.json", "validation", "validation.json"),
        ("mine.json", "images", "mine.json"),
    ],
)
def test_read_catalog_of_a_set_with_official_names(tmp_path, annotations, images, data):
    write(tmp_path, ["1", "2"], [("1", ["17"]), ("2", ["19"])], ["1.jpg"])
    official(tmp_path, annotations, images)
    catalog = read_catalog(tmp_path / data)
    assert catalog.paths.tolist() == [str(tmp_path / images / "1.jpg")]
    assert reasons(catalog) == {f"{annotations} images[1]": "not downloaded: no file imageId.jpg"}


def test_find_imaterialist_refuses_one_image_folder_for_two_parts(tmp_path):
    write(tmp_path, ["1"], [("1", ["17"])], ["1.jpg"])
    official(tmp_path, "train.json")
    (tmp_path / "validation.json").write_text((tmp_path / "train.json").read_text())
    for data in ("", "validation.json"):
        with pytest.raises(InputError, match=r"images: of (train|validation)\.json or of .*rename the folder"):
            read_catalog(tmp_path / data)
    (tmp_path / "images").rename(tmp_path / "validation")
    assert len(read_catalog(tmp_path / "validation.json")) == 1
    with pytest.raises(InputError, match=r"images: no such folder; expected the downloaded images"):
        read_catalog(tmp_path)


def test_find_imaterialist_needs_one_label_map(tmp_path):
    write(tmp_path, ["1"], [("1", ["17"])], ["1.jpg"])
    with pytest.raises(InputError, match=r"train\.json needs one label map beside it, .*, not: none"):
        read_catalog(tmp_path)
    for name in ("a_label_map.csv", "b_label_map.csv"):
        (tmp_path / name).write_text(MAP)
    with pytest.raises(InputError, match=r"not: a_label_map\.csv, b_label_map\.csv"):
        read_catalog(tmp_path)


def test_read_catalog_without_downloaded_images(tmp_path):
    write(tmp_path, ["1"], [("1", ["17"])])
    with pytest.raises(InputError, match=r"other\.csv: no such file"):
        read(tmp_path, "other.csv")
    official(tmp_path, "train.json")
    with pytest.raises(
        InputError, match=r"none of 1 rows and files .* \(first: train.json images\[0\]: not downloaded"
    ):
        read_catalog(tmp_path)
    (tmp_path / "images").rmdir()
    with pytest.raises(InputError, match="no such folder"):
        read_catalog(tmp_path)


HOSTILE = [
    "../../outside", "/etc/passwd", "..", ".", "a/b", "a\\b", "C:evil", "labels:color", "=SUM(A1)", "$(id)", "%s{0}",
    "<script>", "x" * 300, "色", "\u202egpj", "CON", "a b  c", "'; DROP TABLE x; --",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_read_imaterialist_takes_hostile_task_and_label_names_as_text(tmp_path, name):
    """A task's name becomes that of a column, a group and a folder: none of them leads elsewhere."""
    rows = [(1, name, name), (2, f"{name}2", name), (3, "Black", "color"), (4, "Blue", "color")]
    write(tmp_path, ["1"], [("1", ["1", "3"])], ["1.jpg"])
    keys = ("labelId", "labelName", "taskName")
    labels = [{"taskId": 0, **dict(zip(keys, row, strict=True))} for row in rows]
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    catalog = read(tmp_path, "labels.json")
    assert {task: cells.tolist() for task, cells in catalog.columns.items()} == {name: [name], "color": ["Black"]}
    assert [group.name for group in catalog.attribute_groups] == [f"labels:{name}", "labels:color"]
    runs = tmp_path / "run"
    folders = [runs / safe_file_name(group.name) for group in catalog.attribute_groups]
    for folder in folders:
        folder.mkdir(parents=True)
    assert {path.parent for path in runs.rglob("*")} == {runs}
    assert len(list(runs.iterdir())) == 2
