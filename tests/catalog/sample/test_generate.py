"""The drawn sample: same bytes for a seed, visible attributes, the faults of the real set."""

import csv
import warnings
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from fashion_keras.catalog.sample import generate
from fashion_keras.catalog.sample.canvas import ProductAppearance
from fashion_keras.catalog.sample.generate import ARTICLES, HEADER, Product, generate_sample, render_product
from fashion_keras.support.errors import InputError

MARKS = ("pattern", "neck", "sleeve", "heel", "display")
BY_NAME = {article.name: article for article in ARTICLES}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return generate_sample(tmp_path_factory.mktemp("drawn") / "sample")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table(folder):
    """The rows as a reader sees them that joins surplus commas into the product name."""
    lines = (folder / "styles.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == HEADER
    return [[*cells[:9], ",".join(cells[9:])] for cells in csv.reader(lines[1:])]


def usable(folder):
    """Rows and pixels [n, 80, 60, 3] uint8 of the products that a careful reader accepts."""
    rows, images = {}, []
    for row in table(folder):
        if not row[0].isdecimal() or row[0] in rows:
            continue
        try:
            with Image.open(folder / "images" / f"{row[0]}.jpg") as image:
                pixels = np.asarray(image)
        except OSError:
            continue
        rows[row[0]] = row
        images.append(pixels)
    return list(rows.values()), np.stack(images)


def product(name, number=0, **changes):
    article = BY_NAME[name]
    appearance = ProductAppearance(**{field: options[0] for field, options in article.offers.items()})
    return Product(article, replace(appearance, **changes), "Avelle", 2015, (7, number))


def test_generate_sample_gives_the_same_bytes_for_a_seed(tmp_path):
    first, again = (contents(generate_sample(tmp_path / name, 60, seed=3)) for name in ("first", "again"))
    assert first == again
    other = contents(generate_sample(tmp_path / "other", 60, seed=4))
    assert not {path.name for path in first} & {path.name for path in other} > {"styles.csv", "sample.json"}


def test_generate_sample_reuses_its_sample_and_replaces_another(tmp_path):
    folder = generate_sample(tmp_path / "sample", 60)
    (folder / "note").touch()
    assert generate_sample(folder, 60) == folder
    assert (folder / "note").exists()
    generate_sample(folder, 61)
    assert not (folder / "note").exists()
    assert len(table(folder)) == 61 + 2
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


def test_generate_sample_that_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    def fail(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "render_product", fail)
    with pytest.raises(KeyboardInterrupt):
        generate_sample(tmp_path / "sample", 60)
    assert not list(tmp_path.iterdir())


def test_generate_sample_leaves_foreign_files_alone(tmp_path):
    (tmp_path / "sample.json").write_text('{"mine": true}')
    with pytest.raises(InputError, match="holds something other than a drawn sample"):
        generate_sample(tmp_path, 60)
    with pytest.raises(InputError, match="holds something other than a drawn sample"):
        generate_sample(tmp_path / "sample.json", 60)
    assert [path.name for path in tmp_path.iterdir()] == ["sample.json"]


def test_generate_sample_fills_an_empty_folder(tmp_path):
    assert len(table(generate_sample(tmp_path, 60))) == 62


def test_generate_sample_refuses_too_few_products(tmp_path):
    with pytest.raises(InputError, match="59 products cannot hold every article type; draw 60 or more"):
        generate_sample(tmp_path / "sample", 59)


@pytest.mark.parametrize("products", [60, 1800])
def test_sample_has_the_documented_faults(products, sample, tmp_path):
    folder = sample if products == 1800 else generate_sample(tmp_path / "small", products)
    lines = (folder / "styles.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert sum(line.count(",") == 10 for line in lines) >= 6
    assert not any('"' in line for line in lines)
    ids = [row[0] for row in table(folder)]
    assert [count for count in Counter(ids).values() if count > 1] == [2]
    assert sum(not number.isdecimal() for number in ids) == 1
    files = {path.stem: path for path in (folder / "images").iterdir()}
    assert len(set(filter(str.isdecimal, ids)) - set(files)) == 1
    assert len(set(files) - set(ids)) == 1
    assert sum(not whole(path) for path in files.values()) == 1
    cells = [row[column] for row in table(folder) for column in (5, 6, 8)]
    assert {"", "NA"} <= set(cells)


def whole(path):
    try:
        Image.open(path).load()
    except OSError:
        return False
    return True


def test_sample_of_the_default_size_is_a_catalog(sample):
    rows, pixels = usable(sample)
    assert len(rows) == 1798
    assert pixels.shape == (1798, 80, 60, 3)
    counts = Counter(row[4] for row in rows)
    assert set(counts) == set(BY_NAME)
    assert len(counts) >= 14
    assert min(counts.values()) >= 100
    assert 1.4 < max(counts.values()) / min(counts.values()) < 2
    assert {row[2] for row in rows} == {"Apparel", "Footwear", "Accessories"}
    assert len({row[5] for row in rows} - {"", "NA"}) >= 10
    assert len({row[6] for row in rows} - {"", "NA"}) == len({row[8] for row in rows} - {"", "NA"}) == 4


def test_sample_shares_titles_among_a_third_of_its_products(sample):
    titles = Counter(row[9] for row in usable(sample)[0])
    assert 0.3 < sum(count for count in titles.values() if count > 1) / titles.total() < 0.42


def test_sample_titles_name_the_attributes():
    assert product("Tshirts", pattern="Striped", color="Blue", sleeve="Long Sleeve", neck="Polo").title == (
        "Avelle Men Striped Blue Polo Long Sleeve T-shirt"
    )
    assert product("Watches", gender="Women", color="Black", display="Digital").title == (
        "Avelle Women Black Digital Watch"
    )
    assert product("Heels", color="Red", heel="Block").title == "Avelle Women Red Block Heels"


def test_sample_has_twins_that_differ_slightly(sample):
    rows, pixels = usable(sample)
    groups = {}
    for row, image in zip(rows, pixels, strict=True):
        groups.setdefault(row[9], []).append(image.astype(float))
    pairs = [pair for group in groups.values() for pair in combinations(group, 2)]
    gaps = np.array(
        [np.abs(first[:, 1:-1] - second[:, 2:]).mean() for first, second in pairs + [p[::-1] for p in pairs]]
    )
    assert 10 <= (gaps < 9).sum() <= 14
    assert gaps.min() > 0


CHANGES = [
    (name, field, options)
    for name, field in [
        *((name, "gender") for name in BY_NAME if len(BY_NAME[name].offers["gender"]) == 2),
        *((name, field) for name in BY_NAME for field in ("color", "season", "usage")),
        *((name, field) for name in BY_NAME for field in MARKS if field in BY_NAME[name].offers),
    ]
    for options in [BY_NAME[name].offers[field]]
]


@pytest.mark.parametrize(
    ("name", "field", "options"), CHANGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_render_product_shows_each_attribute_and_changes_nothing_else(name, field, options):
    for number in range(3):
        images = [
            np.asarray(render_product(product(name, number, **{field: option}))).astype(int) for option in options
        ]
        for first, second in combinations(images, 2):
            changed = (np.abs(first - second).max(axis=-1) > 24).mean()
            assert 0.002 < changed < 0.65


@pytest.mark.slow
def test_sample_is_neither_trivial_nor_hopeless_for_a_linear_model(sample):
    rows, pixels = usable(sample)
    truth, titles = (np.array([row[column] for row in rows]) for column in (4, 9))
    pixels = pixels.reshape(len(rows), -1).astype(np.float32) / 255
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(pixels, truth, titles))
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        scaler = StandardScaler().fit(pixels[train])
        seen, unseen = scaler.transform(pixels[train]), scaler.transform(pixels[test])
        # The L2-regularized optimum lies in the span of the training rows: rotating into it only saves time.
        values, vectors = np.linalg.eigh(seen @ seen.T)
        positive = values > 1e-6 * values[-1]
        axes = seen.T @ (vectors[:, positive] / np.sqrt(values[positive]))
        models = [LogisticRegression(C=c, max_iter=200).fit(seen @ axes, truth[train]) for c in (1e-2, 1)]
    for model in models:
        assert 0.3 < model.score(unseen @ axes, truth[test]) < 0.8
