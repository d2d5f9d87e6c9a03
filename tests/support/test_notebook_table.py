"""Tables in notebooks: of catalogs, runs, reports and matches; whatever a title or a label holds stays text."""

from PIL import Image

from fashion_keras import Match, Matches, Run, read_catalog
from fashion_keras.support.notebook_table import Thumbnail, notebook_table
from fashion_keras.training.finished_run import FinishedRun
from tests.helpers.catalogs import write_catalog
from tests.helpers.finished_runs import SCRIPT, write_finished_run

ESCAPED = "&lt;script&gt;document.title"


def test_cells_and_thumbnails_are_escaped():
    html = notebook_table(['<b>"'], [[Thumbnail('"><script>', "'>")], [Thumbnail("", "<i>")]], "<u>")
    assert "<b>" not in html and "<script>" not in html and "<i>" not in html and "<u>" not in html
    assert html.count("<img") == 1  # an image that cannot be read is its text


def test_catalog_shows_its_first_images(tmp_path):
    catalog = read_catalog(write_catalog(tmp_path, {number: f"{SCRIPT} {number}" for number in range(1, 12)}))
    html = catalog._repr_html_()
    assert html.count("<tr>") == 1 + 8
    assert html.count("data:image/jpeg;base64,") == 8
    assert SCRIPT not in html and ESCAPED in html
    assert "11 images of 11 products" in html


def test_run_and_report_show_their_scores(tmp_path):
    folder = write_finished_run(tmp_path / "run")
    report = FinishedRun.read(folder).report
    html = Run(folder, report)._repr_html_() + report._repr_html_()
    assert SCRIPT not in html and ESCAPED in html
    assert "0.571 (95 % interval" in html
    assert str(folder) in html


def test_matches_are_a_list_that_shows_thumbnails(tmp_path):
    Image.new("RGB", (6, 8)).save(tmp_path / "a.png")
    first = Match("1", "1", 0.75, 1, str(tmp_path / "a.png"), {"title": SCRIPT, "price": 9.5}, ("title",))
    second = Match("2", "2:b", 0.5, 2, str(tmp_path / "gone.png"), {"gender": "Men"}, ())
    matches = Matches([first, second])
    assert matches == [first, second]
    html = matches._repr_html_()
    assert html.count("<img") == 1 and "2:b" in html
    assert SCRIPT not in html and ESCAPED in html
    frame = matches.to_frame()
    assert frame[["rank", "sku", "score"]].values.tolist() == [[1, "1", 0.75], [2, "2", 0.5]]
    assert frame["gender"].tolist()[1] == "Men" and frame["title"].tolist()[0] == SCRIPT
    assert list(Matches().to_frame()) == ["rank", "sku", "image_id", "score", "path", "matched", "shared"]
