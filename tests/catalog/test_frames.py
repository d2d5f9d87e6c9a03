"""Catalogs as data frames."""

import pandas as pd

from fashion_keras.catalog.frames import to_frame
from fashion_keras.catalog.readers import read_catalog


def test_to_frame_has_ids_paths_columns_and_missing_values(tmp_path):
    (tmp_path / "images").mkdir()
    for key in (7, 12):
        (tmp_path / "images" / f"{key}.jpg").write_bytes(b"x")
    table = "id,articleType,season,productDisplayName\n12,Tops,NA,Red top\n7,Jeans,Fall,\n9,Jeans,Fall,no image\n"
    (tmp_path / "styles.csv").write_text(table)
    frame = to_frame(read_catalog(tmp_path))
    assert frame.columns.tolist() == ["sku", "image_id", "path", "article_type", "season", "product_display_name"]
    assert frame.sku.tolist() == frame.image_id.tolist() == ["12", "7"]
    assert frame.path.tolist() == [str(tmp_path / "images" / "12.jpg"), str(tmp_path / "images" / "7.jpg")]
    assert frame.article_type.tolist() == ["Tops", "Jeans"]
    assert frame.season.isna().tolist() == [True, False]
    assert frame.product_display_name.isna().tolist() == [False, True]
    assert all(isinstance(dtype, pd.StringDtype) for dtype in frame.dtypes)
