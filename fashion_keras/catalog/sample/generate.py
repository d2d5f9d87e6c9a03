"""Drawn sample catalog: `styles.csv` and `images/` in the layout of Kaggle Fashion Product Images (Small).

It replaces the download in tests, demonstrations and first steps. Its images vary as photographs do (pose, wearer,
clutter, light), its products share titles and have near duplicates, and its files have the faults of the real set.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageChops, ImageFilter

from fashion_keras.catalog.sample import shapes
from fashion_keras.catalog.sample.canvas import COLORS, INK, SEASONS, Canvas, ProductAppearance, points
from fashion_keras.support.atomic_files import temporary_path, write_json, write_text
from fashion_keras.support.errors import InputError

VERSION = 1  # of images and table: raise it when they change, and older samples are drawn again
MIN_PRODUCTS = 60  # that hold every article type and every fault
_MAKER = "fashion_keras.catalog.drawing"  # in sample.json; marks folders that may be replaced
HEADER = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
BRANDS = ("Northbay", "Avelle", "Tern & Co", "Kasuri", "Pinecrest", "Volta", "Marlow", "Sundari", "Oak Lane", "Zephyr")
BLANKS = ((6, ""), (8, "NA"), (5, "NA"), (6, "NA"), (8, ""), (5, ""))  # column, cell without a value

# Attribute values of articles, by field of `ProductAppearance`; the first of several is the most common.
Offers = dict[str, tuple[str, ...]]
ANY: Offers = {"color": tuple(COLORS), "season": tuple(SEASONS)}
BOTH: Offers = ANY | {"gender": ("Men", "Women")}
WOMEN: Offers = ANY | {"gender": ("Women",)}
DAILY: Offers = {"usage": ("Casual", "Sports")}
SPORTY: Offers = {"usage": ("Sports", "Casual")}
DRESSY: Offers = {"usage": ("Casual", "Formal", "Ethnic")}
DENIM: Offers = {"color": ("Blue", "Navy Blue", "Black", "Grey", "White", "Brown")}
CLOTH: Offers = {"pattern": ("Solid", "Striped", "Checked", "Printed")}
ARMS: Offers = {"sleeve": ("Short Sleeve", "Long Sleeve", "Sleeveless", "3/4 Sleeve")}
NECK: Offers = {"neck": ("Round Neck", "V-Neck")}
COLLAR: Offers = {"neck": ("Round Neck", "Polo", "V-Neck")}
HEEL: Offers = {"heel": ("Stiletto", "Block", "Flat")}
DIAL: Offers = {"display": ("Analogue", "Chronograph", "Digital")}


@dataclass(frozen=True)
class Article:
    """Article type: its categories, its weight among the products, its painter, its attribute values."""

    master: str
    sub: str
    name: str
    noun: str
    weight: int
    painter: Callable[..., None]
    cut: tuple[int, ...]
    offers: Offers


ARTICLES = (
    Article(
        "Apparel", "Topwear", "Tshirts", "T-shirt", 180, shapes.top, (60, 4, 0), BOTH | DAILY | CLOTH | ARMS | COLLAR
    ),
    Article("Apparel", "Topwear", "Shirts", "Shirt", 150, shapes.top, (60, 5, 5), BOTH | DRESSY | CLOTH | ARMS),
    Article("Apparel", "Topwear", "Tops", "Top", 126, shapes.top, (46, 18, 0), WOMEN | DRESSY | CLOTH | ARMS | NECK),
    Article(
        "Apparel", "Dress", "Dresses", "Dress", 110, shapes.top, (108, 30, 0), WOMEN | DRESSY | CLOTH | ARMS | NECK
    ),
    Article("Apparel", "Bottomwear", "Jeans", "Jeans", 115, shapes.legs, (-100, -36, 110, 13), BOTH | DRESSY | DENIM),
    Article("Apparel", "Bottomwear", "Shorts", "Shorts", 108, shapes.legs, (-62, -4, 40, 20), BOTH | DAILY | CLOTH),
    Article("Footwear", "Shoes", "Casual Shoes", "Casual Shoes", 160, shapes.shoe, (4, 0), BOTH | DRESSY),
    Article("Footwear", "Shoes", "Sports Shoes", "Sports Shoes", 135, shapes.shoe, (13, 6), BOTH | SPORTY),
    Article("Footwear", "Shoes", "Heels", "Heels", 120, shapes.heels, (), WOMEN | DRESSY | HEEL),
    Article("Footwear", "Flip Flops", "Flip Flops", "Flip Flops", 108, shapes.flip_flops, (), BOTH | DAILY | CLOTH),
    Article("Accessories", "Watches", "Watches", "Watch", 145, shapes.watch, (), BOTH | DRESSY | DIAL),
    Article("Accessories", "Bags", "Handbags", "Handbag", 122, shapes.handbag, (), WOMEN | DRESSY | CLOTH),
    Article("Accessories", "Bags", "Backpacks", "Backpack", 108, shapes.backpack, (), BOTH | DAILY | CLOTH),
    Article("Accessories", "Eyewear", "Sunglasses", "Sunglasses", 108, shapes.sunglasses, (), BOTH | DAILY),
)


@dataclass(frozen=True)
class Product:
    """Row of the catalog and its image; a twin is a near duplicate of another product's image."""

    article: Article
    appearance: ProductAppearance
    brand: str
    year: int
    seed: tuple[int, int]
    twin: bool = False

    @property
    def title(self) -> str:
        """The display name, worded as in the real set: "Avelle Women Black Digital Watch"."""
        fields = ("gender", "pattern", "color", "neck", "sleeve", "display", "heel")
        words = (self.brand, *(getattr(self.appearance, field) for field in fields), self.article.noun)
        return " ".join(word for word in words if word)

    def row(self, number: int) -> list[str]:
        """Return the cells of its row in `styles.csv`, under the id `number`."""
        shown, article = self.appearance, self.article
        place = (shown.gender, article.master, article.sub, article.name)
        return [str(number), *place, shown.color, shown.season, str(self.year), shown.usage, self.title]


def generate_sample(folder: Path, products: int = 1800, seed: int = 7) -> Path:
    """Draw a catalog into `folder` and return the folder: complete or absent, the same bytes for the same seed.

    Args:
        folder: a new or empty folder, or an older sample, which is replaced; an equal sample is reused.
        products: number of products, 60 or more; the table has two rows more. 1,800 take some five seconds.
        seed: of every random choice.

    Raises:
        InputError: when `products` is too small, or `folder` holds anything but a drawn sample.
    """
    if products < MIN_PRODUCTS:
        raise InputError(f"a sample of {products} products cannot hold every article type; draw {MIN_PRODUCTS} or more")
    manifest = {"drawn_by": _MAKER, "version": VERSION, "products": products, "seed": seed}
    existing = _manifest(folder)
    if existing == manifest:
        return folder
    if folder.exists() and not existing and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something other than a drawn sample; name a folder that is new or empty")
    temporary = temporary_path(folder)
    try:
        _write(temporary, _products(products, seed), np.random.default_rng([seed, 1]))
        write_json(temporary / "sample.json", manifest)
        if _manifest(folder) != manifest:  # another process may have drawn the same meanwhile
            _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _manifest(folder: Path) -> dict[str, object]:
    """Return the manifest of the drawn sample in `folder`; {} where there is none."""
    try:
        manifest = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("drawn_by") == _MAKER else {}


def _swap(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`, and only then remove the old folder."""
    old = new.with_name(f"{new.name}.old")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _products(count: int, seed: int) -> list[Product]:
    """Return the products by article type, every tenth with the title of the previous product; the last are twins."""
    rng, twins = np.random.default_rng([seed, 0]), max(2, count // 150)
    ends = np.cumsum([article.weight for article in ARTICLES])
    products: list[Product] = []
    for number in range(count - twins):
        article = ARTICLES[np.searchsorted(ends, (number + 0.5) * ends[-1] / (count - twins))]
        product = _random_product(article, (seed, number), rng)
        if number % 10 == 9 and products[-1].article is article:
            product = replace(product, appearance=products[-1].appearance, brand=products[-1].brand)
        products.append(product)
    sources = rng.choice(len(products), twins, replace=False)
    return products + [replace(products[source], twin=True) for source in sources]


def _random_product(article: Article, seed: tuple[int, int], rng: Generator) -> Product:
    appearance = ProductAppearance(**{field: _choose(rng, options) for field, options in article.offers.items()})
    return Product(article, appearance, _choose(rng, BRANDS), int(rng.integers(2011, 2018)), seed)


def _choose(rng: Generator, options: tuple[str, ...]) -> str:
    """Return a random option, the first twice as often as any other."""
    return (options[0], *options)[rng.integers(len(options) + 1)]


def render_product(product: Product) -> Image.Image:
    """Return the RGB image, 60 wide x 80 high; what the attributes leave open follows from the product's seed."""
    pose, cloth, scene = np.random.default_rng(product.seed).spawn(3)
    canvas = Canvas(product.appearance, pose, cloth)
    product.article.painter(canvas, *product.article.cut)
    _clutter(canvas, scene)
    image = _photograph(canvas.paper.reduce(4), scene)
    return ImageChops.offset(image, 1, 0) if product.twin else image


def _clutter(canvas: Canvas, rng: Generator) -> None:
    """Draw a price tag on some products, and part of a second item into some images."""
    tag, item, x, y = rng.random() < 0.25, rng.random() < 0.3, *rng.uniform((-46, 0), (6, 40))
    if tag:
        canvas.line([(x, y), (x + 22, y + 30)], INK, 2)
        canvas.fill(points("0 0, 14 10, 14 44, -14 44, -14 10") + [x + 22, y + 30], (236, 214, 160))
    if item:
        canvas.fill(points("92 -40, 150 -60, 150 60, 104 50, 88 10") + [0, y], canvas.other, 1)


def _photograph(product: Image.Image, rng: Generator) -> Image.Image:
    """Place a product [RGBA] and its shadow on white, light it unevenly, and add sensor noise."""
    shadow = Image.new("L", product.size)
    shadow.paste(product.getchannel("A"), tuple(rng.integers(-3, 4, 2).tolist()))
    shade = np.asarray(shadow.filter(ImageFilter.GaussianBlur(2.5)))[..., None] / 255 * rng.uniform(0.1, 0.4)
    colors, opacity = np.split(np.asarray(product, dtype=float), [3], axis=-1)
    scene = 255 * (1 - shade) * (1 - opacity / 255) + colors * opacity / 255
    down, right = np.meshgrid(np.linspace(-1, 1, product.height), np.linspace(-1, 1, product.width), indexing="ij")
    light = 1 + np.stack([down, right], axis=-1) @ rng.normal(0, 0.035, 2)
    noise = rng.normal(0, rng.uniform(1, 6), scene.shape)
    return Image.fromarray(np.clip(scene * light[..., None] + noise, 0, 255).astype(np.uint8))


def _write(folder: Path, products: list[Product], rng: Generator) -> None:
    """Write images and rows in random order under random ids, and break some of both."""
    images = folder / "images"
    images.mkdir(parents=True)
    *numbers, spare = rng.choice(np.arange(1163, 60001), len(products) + 1, replace=False).tolist()
    rows = []
    for number, index in zip(numbers, rng.permutation(len(products)), strict=True):
        product = products[index]
        render_product(product).save(images / f"{number}.jpg", quality=72 if product.twin else 92)
        rows.append(product.row(number))
    _break_images([images / f"{number}.jpg" for number in numbers], images / f"{spare}.jpg")
    _break_rows(rows)
    write_text(folder / "styles.csv", "\n".join([HEADER, *(",".join(row) for row in rows)]) + "\n")


def _break_images(files: list[Path], spare: Path) -> None:
    """Make an image without a row, a row without an image, and a truncated JPEG."""
    shutil.copyfile(files[0], spare)
    files[20].unlink()
    files[40].write_bytes(files[40].read_bytes()[: files[40].stat().st_size // 2])


def _break_rows(rows: list[list[str]]) -> None:
    """Blank some cells, put an unquoted comma into six names, and add a repeated and a non-numeric id."""
    for turn, row in enumerate(rows[::17]):
        column, blank = BLANKS[turn % len(BLANKS)]
        row[column] = blank
    for row in rows[3 :: len(rows) // 6][:6]:
        row[-1] += ", New Arrival"
    rows.insert(30, [rows[10][0], *rows[11][1:]])
    rows.append([f"SKU-{rows[12][0]}", *rows[12][1:]])
