"""Queries in other languages: their expansions, English ones that stay, and the consistency of the words' file."""

import csv
from collections import Counter
from pathlib import Path
from unicodedata import category, normalize

import pytest
import yaml

import fashion_keras
from fashion_keras.catalog.synonyms import LANGUAGES, expand_query
from fashion_keras.catalog.words import stem, tokenize

FILE = yaml.safe_load((Path(fashion_keras.__file__).parent / "catalog" / "synonyms.yaml").read_text(encoding="utf-8"))

# The values of the Kaggle set's columns; `test_vocabulary_is_that_of_the_real_set` compares them.
COLUMNS = {
    "articleType": (
        "Accessory Gift Set; Baby Dolls; Backpacks; Bangle; Basketballs; Bath Robe; Beauty Accessory; Belts; Blazers; "
        "Body Lotion; Body Wash and Scrub; Booties; Boxers; Bra; Bracelet; Briefs; Camisoles; Capris; Caps; Casual "
        "Shoes; Churidar; Clothing Set; Clutches; Compact; Concealer; Cufflinks; Cushion Covers; Deodorant; Dresses; "
        "Duffel Bag; Dupatta; Earrings; Eye Cream; Eyeshadow; Face Moisturisers; Face Scrub and Exfoliator; Face Serum "
        "and Gel; Face Wash and Cleanser; Flats; Flip Flops; Footballs; Formal Shoes; Foundation and Primer; Fragrance "
        "Gift Set; Free Gifts; Gloves; Hair Accessory; Hair Colour; Handbags; Hat; Headband; Heels; Highlighter and "
        "Blush; Innerwear Vests; Ipad; Jackets; Jeans; Jeggings; Jewellery Set; Jumpsuit; Kajal and Eyeliner; Key "
        "chain; Kurta Sets; Kurtas; Kurtis; Laptop Bag; Leggings; Lehenga Choli; Lip Care; Lip Gloss; Lip Liner; Lip "
        "Plumper; Lipstick; Lounge Pants; Lounge Shorts; Lounge Tshirts; Makeup Remover; Mascara; Mask and Peel; Mens "
        "Grooming Kit; Messenger Bag; Mobile Pouch; Mufflers; Nail Essentials; Nail Polish; Necklace and Chains; Nehru "
        "Jackets; Night suits; Nightdress; Patiala; Pendant; Perfume and Body Mist; Rain Jacket; Rain Trousers; Ring; "
        "Robe; Rompers; Rucksacks; Salwar; Salwar and Dupatta; Sandals; Sarees; Scarves; Shapewear; Shirts; Shoe "
        "Accessories; Shoe Laces; Shorts; Shrug; Skirts; Socks; Sports Sandals; Sports Shoes; Stockings; Stoles; "
        "Suits; Sunglasses; Sunscreen; Suspenders; Sweaters; Sweatshirts; Swimwear; Tablet Sleeve; Ties; Ties and "
        "Cufflinks; Tights; Toner; Tops; Track Pants; Tracksuits; Travel Accessory; Trolley Bag; Trousers; Trunk; "
        "Tshirts; Tunics; Umbrellas; Waist Pouch; Waistcoat; Wallets; Watches; Water Bottle; Wristbands"
    ),
    "baseColour": (
        "Beige; Black; Blue; Bronze; Brown; Burgundy; Charcoal; Coffee Brown; Copper; Cream; Fluorescent Green; Gold; "
        "Green; Grey; Grey Melange; Khaki; Lavender; Lime Green; Magenta; Maroon; Mauve; Metallic; Multi; Mushroom "
        "Brown; Mustard; Navy Blue; Nude; Off White; Olive; Orange; Peach; Pink; Purple; Red; Rose; Rust; Sea Green; "
        "Silver; Skin; Steel; Tan; Taupe; Teal; Turquoise Blue; White; Yellow"
    ),
    "gender": "Boys; Girls; Men; Unisex; Women",
    "season": "Fall; Spring; Summer; Winter",
    "usage": "Casual; Ethnic; Formal; Home; Party; Smart Casual; Sports; Travel",
}
# Words of its product names that no column has.
TITLE_WORDS = (
    "balm boots canvas checked collar cotton dark denim digital dot embroidered eyewear floral high hooded kids "
    "leather leopard light linen loafers long metal neck polka polo printed round running satin silk sleeveless "
    "slippers sneakers solid striped suede v velvet wedding wool"
)
# The most frequent article types that are not Indian clothes, as the file has them.
TYPES = (
    "tshirt; shirt; casual shoes; watch; sports shoes; top; handbag; heels; sunglasses; wallet; flip flops; sandals; "
    "briefs; belt; backpack; socks; formal shoes; perfume; shorts; trousers; flats; bra; dress; earrings; deodorant; "
    "nail polish; lipstick; track pants; clutch; sweatshirt; cap; sweater; tie; jacket; innerwear vest; tunic; "
    "nightdress; leggings; pendant; capris; necklace; lip gloss; night suit; skirt; scarf; ring; gift set; cufflinks; "
    "stole; duffel bag; laptop bag; foundation; bracelet; lounge pants; face moisturiser; jewellery set; boxers; "
    "mobile pouch; eyeshadow; tracksuit; sunscreen; gloves; hair colour; rain jacket; swimwear; waist pouch; jumpsuit; "
    "umbrella; suit; hat; boots; shoes; bag"
)
INDIAN_TYPES = "kurta; kurti; kurta set; saree; dupatta; salwar; churidar; patiala; lehenga choli; jeans"
# Words that a language has in common with English.
SAME_AS_ENGLISH = {
    "de": {"unisex", "ring", "pink"},
    "fr": {"beige", "magenta", "nude", "taupe", "ring", "home", "foundation"},
    "es": {"beige", "magenta", "unisex"},
    "hi": {"face moisturiser"},
}


@pytest.mark.parametrize(
    ("query", "expansion"),
    [
        # German
        ("hemd blau für damen", "shirt blue women"),
        ("Rotes Kleid", "red dress"),
        ("schwarze Damenschuhe", "black women shoes"),
        ("Herrenhemd, gestreift", "men shirt, striped"),
        ("SONNENBRILLE für Herren", "sunglasses men"),
        ("Armbanduhr in Gold", "watch gold"),
        ("weißer Rock mit Blumenmuster", "white skirt floral"),
        ("Guertel aus Leder", "belt leather"),
        ("gruene Hose", "green trousers"),
        ("dunkelblaue Jeans für Mädchen", "dark blue jeans girls"),
        ("T-Shirt mit V-Ausschnitt", "t-shirt v neck"),
        ("Winterjacke kinder", "winter jacket kids"),
        # French
        ("robe rouge", "dress red"),
        ("chemise d'été pour homme", "shirt summer men"),
        ("Chemise à carreaux bleu marine", "shirt checked navy blue"),
        ("sac à main en cuir noir", "handbag leather black"),
        ("pull gris à manches longues", "sweater grey long sleeve"),
        ("boucles d’oreilles dorées", "earrings gold"),
        ("LUNETTES DE SOLEIL", "sunglasses"),
        ("veste en jean", "jacket denim"),
        ("baskets blanches pour l'enfant", "sports shoes white kids"),
        ("echarpe en soie imprimee", "scarf silk printed"),
        # Spanish
        ("vestido de fiesta rojo", "party dress red"),
        ("zapatos negros para hombre", "shoes black men"),
        ("camisa de rayas azules", "shirt striped blue"),
        ("pantalón corto vaquero", "shorts jeans"),
        ("zapatillas deportivas de niña", "sports shoes girls"),
        ("bolso de mano marron", "handbag brown"),
        ("reloj plateado mujer", "watch silver women"),
        # Italian
        ("gonna nera da donna", "skirt black women"),
        ("camicia a righe per uomo", "shirt striped men"),
        ("occhiali da sole estate", "sunglasses summer"),
        ("scarpe di pelle marroni", "shoes leather brown"),
        # Hindi
        ("नीली शर्ट पुरुषों के लिए", "blue shirt men"),
        ("महिलाओं के लिए लाल साड़ी", "women red saree"),
        ("काला चमड़े का बैग", "black leather bag"),
        ("बच्चों के जूते", "kids shoes"),
        ("धूप का चश्मा", "sunglasses"),
        ("lal kurta mardon ke liye", "red kurta men"),
        ("safed joote", "white shoes"),
        ("काली ड्रेस।", "black dress।"),
        ("ladkiyon ke liye neeli ghadi", "girls blue watch"),
        # English variants
        ("gray tee", "grey tshirt"),
        ("running trainers", "running sports shoes"),
        ("Women's jumper", "women's sweater"),
        ("black pants", "black trousers"),
        ("track pants", "track pants"),
        ("leather purse", "leather handbag"),
        ("autumn spectacles", "fall eyewear"),
        # Brands and what is not known stay
        ("Nike Hemd XL", "nike shirt xl"),
        ("Levi's rouge", "levi's red"),
        ("L'Oréal rouge à lèvres", "l'oréal lipstick"),
        ("Pull & Bear robe noire", "pull & bear dress black"),
    ],
)
def test_expand_query(query, expansion):
    assert expand_query(query) == expansion


@pytest.mark.parametrize(
    "query",
    [
        "bath robe", "robe", "rose robe", "hose", "rock", "rock t-shirt", "pull over top", "black mini", "sport jean",
        "slip on shoes", "court shoes for men", "or", "polo shirt with collar", "men's manner", "marine uni",
        "gonna be short", "dress for a summer party", "bonnet in violet", "basket", "die cast watch", "la la land tank",
        "cafe racer jacket", "gant shirt", "eau de parfum", "mono strap sandals", "fur coat", "sku-123/a b", "12345",
        "платье", "",
    ],
)  # fmt: skip
def test_english_and_unknown_queries_stay(query):
    assert expand_query(query) == query


@pytest.mark.parametrize(
    ("query", "expansion"),
    [
        ("robe", "robe"),
        ("robe noire", "dress black"),  # "noire" names the language
        ("herren hose", "men trousers"),
        ("roter rock", "red skirt"),
        ("jean noir", "jeans black"),
        ("top rouge", "top red"),
        ("mini kleid", "mini dress"),
        ("roter pull", "red pull"),  # French only, but the query is German
        ("collar de plata", "necklace silver"),
        ("collar and tie", "collar and tie"),
        ("short rouge", "shorts red"),
    ],
)
def test_ambiguous_words_are_of_the_querys_language(query, expansion):
    assert expand_query(query) == expansion


def test_expand_query_takes_an_expansion_as_it_is():
    for query in ("hemd blau für damen", "robe rouge", "gray tee", "नीली शर्ट"):
        assert expand_query(expand_query(query)) == expand_query(query)


def test_small_words_go_only_with_words_of_their_language():
    assert expand_query("a la carte de luxe") == "a la carte de luxe"
    assert expand_query("kleid de luxe für a") == "dress de luxe a"


def test_space_and_case():
    assert expand_query("  Bath   ROBE ") == "bath robe"
    assert expand_query("\tKLEID  Rot\n") == "dress red"


def vocabulary():
    texts = [TITLE_WORDS, *(text for values in COLUMNS.values() for text in values.split("; "))]
    return {stem(word) for text in texts for word in tokenize(text)}


def test_every_english_phrase_is_in_the_vocabulary():
    known = vocabulary()
    assert not [phrase for phrase in FILE["phrases"] if not {*map(stem, tokenize(phrase))} <= known]


@pytest.fixture(scope="module")
def rows(real):
    """The rows of the real set's table."""
    with (real / "styles.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_vocabulary_is_that_of_the_real_set(rows):
    for column, values in COLUMNS.items():
        assert {row[column] for row in rows} - {"", "NA"} == {*values.split("; ")}
    assert {*TITLE_WORDS.split()} <= {*tokenize(" ".join(row["productDisplayName"] or "" for row in rows))}


def test_names_of_the_real_set_stay(rows):
    """Of product names in English without an English variant, at most one in 200 is changed."""
    names = {" ".join((row["productDisplayName"] or "").casefold().split()) for row in rows[::20]}
    variants = [f" {text} " for languages in FILE["phrases"].values() for text in languages.get("en", [])]
    plain = [name for name in names if not any(text in f" {name.replace('-', ' ')} " for text in variants)]
    changed = [name for name in plain if expand_query(name) != name]
    assert len(plain) > 1500
    assert len(changed) < len(plain) / 200, changed


def test_frequent_values_are_in_every_language():
    colors_and_more = [text.lower() for name in COLUMNS if name != "articleType" for text in COLUMNS[name].split("; ")]
    for language in ("de", "fr", "es", "hi"):
        expected = {*TYPES.split("; "), *colors_and_more} - SAME_AS_ENGLISH[language]
        assert not {text for text in expected if language not in FILE["phrases"][text]}, language
    assert not {text for text in INDIAN_TYPES.split("; ") if "hi" not in FILE["phrases"][text]}


def listed(language):
    """(words, English phrase) of all phrases of a language."""
    return [
        (tuple(tokenize(text)), canonical)
        for canonical, languages in FILE["phrases"].items()
        for text in languages.get(language, [])
    ]


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_no_phrase_is_listed_twice_in_a_language(language):
    counts = Counter(words for words, _ in listed(language))
    assert [" ".join(words) for words, count in counts.items() if count > 1] == []


def test_file_has_no_duplicate_keys_and_only_texts():
    text = (Path(fashion_keras.__file__).parent / "catalog" / "synonyms.yaml").read_text(encoding="utf-8")
    keys = [line for line in text.partition("\nphrases:\n")[2].splitlines() if line[:2] == "  " and line[2] not in " #"]
    assert len(keys) == len({key.partition(":")[0] for key in keys}) == len(FILE["phrases"])
    assert {language for languages in FILE["phrases"].values() for language in languages} == {"en", *LANGUAGES}
    values = [text for languages in FILE["phrases"].values() for texts in languages.values() for text in texts]
    values += [*FILE["english"], *FILE["phrases"], *(word for words in FILE["glue"].values() for word in words)]
    assert {type(value) for value in values} == {str}
    assert len(FILE["english"]) == len({*FILE["english"]})


def test_words_listed_as_english_are_words_of_other_languages():
    def plain(word):
        return "".join(mark for mark in normalize("NFD", word) if category(mark) != "Mn")

    others = {plain(word) for language in LANGUAGES for words, _ in listed(language) for word in words}
    assert not [text for text in FILE["english"] if not others & {*tokenize(text)}]
