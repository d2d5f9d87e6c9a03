"""Pages of audits, retrieval scores, taggers, tagged catalogs and studies, of results that are written by hand."""

import re

from PIL import Image

from fashion_keras.analysis.audit_page import write_audit_page
from fashion_keras.analysis.retrieval_page import write_retrieval_page
from fashion_keras.studies.page import write_study_page
from fashion_keras.studies.study import Finding, ResultRow, Step, StepReport, Study
from fashion_keras.tagging.pages import write_tagger_page, write_tags_page

HOSTILE = "<script>alert(1)</script>"
SCORE = {"precision": 0.9, "precision_ci95": [0.8, 0.95], "coverage": 0.5, "target": "reached"}


def read(path):
    html = path.read_text()
    assert HOSTILE not in html and html.count("<script") == 1
    return re.sub(r"\s+", " ", html)


def test_audit_page_lists_issues_with_their_images(tmp_path):
    Image.new("RGB", (6, 8)).save(tmp_path / "a.png")
    issue = {"id": "7", "path": str(tmp_path / "a.png"), "given": HOSTILE, "suggested": "Tops", "score": 0.125,
             "reason": "low_confidence", "other": None}  # fmt: skip
    report = {
        "task": "article_type", "encoder": "fashion_encoder", "counts": {"inputs": 9, "audited": 8},
        "trained_products": 3, "by_reason": {"low_confidence": 1}, "issues": [issue],
    }  # fmt: skip
    html = read(write_audit_page(report, "shop", tmp_path))
    assert 'data-value="0.125">0.125</td>' in html
    assert html.count("data:image/jpeg;base64,") == 1
    assert "trained on 3 of the audited rows" in html
    assert "None." in read(write_audit_page(report | {"issues": []}, "shop", tmp_path))


def test_retrieval_page_has_a_column_for_each_encoder(tmp_path):
    score = {"value": 0.5, "ci95": [0.4, 0.6], "queries": 12}
    row = {"width": 3, "seconds": 1.5, "trained_products": 0, "scores": {"article_type precision@10": score}}
    empty = {"article_type precision@10": {"value": None, "ci95": None, "queries": 0}}
    rows = [row | {"name": HOSTILE, "trained_products": 4}, row | {"name": "random", "scores": empty}]
    report = {"data": "shop", "part": "all", "products": 12, "rejected": 1, "excluded": 0, "test_products_missing": 0,
              "rows": rows, "text_rows": []}  # fmt: skip
    html = read(write_retrieval_page(report, tmp_path))
    assert "0.500 (0.400–0.600)" in html
    assert "was trained on 4 of these products" in html
    assert "Words as queries" not in html


def test_pages_of_a_tagger_and_of_tags(tmp_path):
    attribute = {"name": HOSTILE, "known": 20, "given": 10, "accuracy": 0.75, "ece_before": 0.2, "ece": 0.1, **SCORE}
    gate = {"precision": 1.0, "target": "reached", "rejected": 2, "of_no_type": 2, "of_no_type_rejected": 2}
    report = {
        "taxonomy": "kaggle", "data": "shop", "warnings": [HOSTILE], "counts": {"train": 60, "test": 20},
        "encoder": {"name": "fashion_encoder"}, "left_out": {"dial": HOSTILE}, "target_precision": 0.95,
        "statement": "a statement", "gate": gate, "attributes": [attribute], "together": SCORE,
    }  # fmt: skip
    html = read(write_tagger_page(report, tmp_path))
    assert "0.900 (0.800–0.950)" in html and "95%" in html
    update = {"attribute": "gender", "tagged": 3, "abstained": 1, "gated": 1, "same": 2, "filled": 0, "changed": 1}
    tags = {
        "tagger": "t", "target_precision": 0.95, "test": SCORE, "read": 9, "accepted": 8, "rejected": 1, "products": 5,
        "without_type": 1, "disagreeing": 2, "encoded": 8, "parts": {"train": 6}, "tags": {"gender": 3},
        "abstained": {"gender": 1}, "updates": [update],
    }  # fmt: skip
    rows = [{"sku": HOSTILE, "path": "gone.png", "product_types": HOSTILE, "gender": "Men"}]
    html = read(write_tags_page(tags, rows, "shop", tmp_path))
    assert '<span class="value">4</span> <span class="note">of 5</span>' in html
    assert "gender: Men" in html and "trained on 6 of these images" in html


def test_study_page_has_numbers_beside_the_papers(tmp_path):
    rows = (ResultRow("Table 1", HOSTILE, 0.9, "a"),)
    findings = (Finding(("a",), lambda _: f"a finding {HOSTILE}"),)
    study = Study("toy", "A toy study", (), (), (Step("a", "train"),), rows, (), findings)
    cells = {"table": "Table 1", "system": HOSTILE, "measure": "accuracy", "paper": "0.900", "ours": "0.875", "low": "",
             "high": "", "images": 40, "seconds": 3, "weights": "imagenet", "note": "", "command": "x"}  # fmt: skip
    reports = {"a": StepReport({}, "fashion-keras train", 3.0)}
    html = read(write_study_page(study, tmp_path, reports, [cells], "today", ["a difference"]))
    assert re.search(r"<td[^>]*>0.900</td> <td[^>]*>0.875</td> <td[^>]*>–</td>", html)
    assert "a finding" in html and "a difference" in html and "fashion-keras study toy" in html
