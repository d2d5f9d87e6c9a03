"""Training configs: defaults, conversions, and one line for each value that is not allowed."""

import json

import numpy as np
import pytest
from PIL import Image

from fashion_keras import InputError, TrainConfig
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.support.atomic_files import read_json
from fashion_keras.training.base_config import with_image_size
from fashion_keras.training.recipes import RECIPES, get_recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "articletype"}, "unknown task 'articletype'; did you mean 'article_type'"),
        ({"backbone": "vgg20"}, "did you mean 'vgg"),
        ({"strategy": "frozn"}, "did you mean 'frozen'"),
        ({"strategy": "last_n"}, "did you mean 'last_n:N'"),
        ({"strategy": "last_n:0"}, "whole number from 1"),
        ({"augment": "li2021"}, "did you mean 'li2020'"),
        ({"optimizer": "adamx"}, "did you mean 'adam"),
        ({"image_size": "60x"}, "HEIGHTxWIDTH"),
        ({"image_size": "20x20"}, "--image-size 32x32"),
        ({"epochs": 0}, "--epochs must be a whole number at least 1, not 0"),
        ({"epochs": "3"}, "epochs must be null or of type int, not '3'"),
        ({"learning_rate": float("nan")}, "--learning-rate must be above 0"),
        ({"dropout": 1.0}, "--dropout must be at least 0 and below 1, not 1.0"),
        ({"dense": "512;256"}, "--dense must be widths such as"),
        ({"balance": "smote", "strategy": "full"}, "it needs --strategy frozen"),
        ({"cut": "mixed7"}, "unknown stage of efficientnet_lite0"),
        ({"strategy": "last_block:7"}, "last_block:7 needs more than 7 stages; efficientnet_lite0 has 7"),
        ({"seed": -1}, "--seed must be a whole number at least 0 and at most 4294967295, not -1"),
        ({"seed": 2**32}, "at most 4294967295, not 4294967296"),
        ({"weight_decay": float("nan")}, "--weight-decay must be at least 0, not nan"),
        ({"image_size": "2000x2000"}, "at most 1024x1024"),
        ({"bach_size": 3}, "did you mean 'batch_size'"),
        ({"folds": 1}, "--folds must be a whole number at least 2, not 1"),
        ({"folds": 3, "fold": 4}, "--fold 4 needs --folds of at least 4, not 3"),
        ({"fold": 1}, "--fold 1 needs --folds"),
        ({"limit": 2.5}, "--limit must be a whole number from 1, or a share between 0 and 1, not 2.5"),
        ({"limit": 0}, "--limit must be a whole number from 1, or a share"),
        ({"floor": 100}, "--floor bounds --limit"),
    ],
)
def test_train_config_refuses_in_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        TrainConfig.from_dict(values)
    assert "\n" not in str(caught.value)


def test_train_config_defaults_follow_the_backbone():
    assert TrainConfig(backbone="vgg19").strategy_name == "frozen"
    assert TrainConfig(backbone="custom_cnn").strategy_name == "scratch"
    assert TrainConfig(backbone="inception_v3").image_spec.height == 75
    assert TrainConfig(backbone="vgg19").image_spec.width == 60


def test_train_config_defaults_are_a_frozen_pretrained_network():
    config = TrainConfig()
    assert (config.backbone, config.strategy_name, config.weights) == ("efficientnet_lite0", "frozen", "auto")
    assert (config.image_spec.height, config.image_spec.width) == (112, 84)


@pytest.mark.parametrize(
    ("strategy", "cut", "block"),
    [("last_block", "", "block6d_add"), ("last_block:3", "", "block4c_add"), ("last_block:2", "block5", "block3b_add"),
     ("frozen", "block1", ""), ("last_n:30", "", "")],
)  # fmt: skip
def test_train_config_last_frozen_is_of_last_block_alone(strategy, cut, block):
    assert TrainConfig(strategy=strategy, cut=cut).last_frozen == block


def test_train_config_changes_the_named_head():
    head = TrainConfig(head="li2020", dense="256,128", dropout=0.1).head_spec
    assert (head.pooling, head.dense, head.dropout) == ("max", (256, 128), 0.1)


@pytest.mark.parametrize("size", [64, np.int64(64), "64", "64x64", (64, 64), [64, 64], "64x48", (64, 48)])
def test_train_config_takes_an_image_size_in_any_form(size):
    spec = TrainConfig(image_size=size).image_spec
    assert (spec.height, spec.width) in ((64, 64), (64, 48))
    assert TrainConfig(image_size=size).image_size == f"{spec.height}x{spec.width}"


def test_train_config_survives_json():
    config = TrainConfig(task="gender", epochs=3, learning_rate=1e-4)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_recipes_are_configs(recipe):
    assert TrainConfig.from_dict(get_recipe(recipe.name).values).to_dict().items() >= dict(recipe.values).items()


def test_recipe_li2020_has_the_papers_values():
    config = TrainConfig.from_dict(get_recipe("li2020").values)
    assert (config.image_spec.height, config.image_spec.width, config.scaling) == (80, 60, "unit")
    assert (config.optimizer, config.learning_rate, config.batch_size, config.epochs) == ("adam", 1e-5, 32, 50)
    assert (config.head_spec.pooling, config.head_spec.dense, config.head_spec.dropout) == ("max", (512,), 0.5)


def test_read_json_refuses_what_is_no_config_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_json(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="one JSON object"):
        read_json(tmp_path / "list.json")


@pytest.mark.parametrize(
    ("backbone", "pixels", "size"),
    [
        ("vgg19", (300, 400), (224, 224)),
        ("vgg19", (60, 80), (80, 60)),
        ("inception_v3", (300, 400), (299, 299)),
        ("inception_v3", (168, 224), (75, 75)),
        ("custom_cnn", (300, 400), (80, 60)),
        ("efficientnet_lite0", (60, 80), (112, 84)),
        ("efficientnet_lite0", (168, 224), (224, 224)),
        ("efficientnet_lite1", (60, 80), (120, 90)),
        ("efficientnet_lite2", (60, 80), (130, 98)),
        ("efficientnet_lite2", (300, 400), (260, 260)),
    ],
)
def test_with_image_size_follows_the_images(tmp_path, caplog, backbone, pixels, size):
    for number in range(3):
        Image.new("RGB", pixels).save(tmp_path / f"{number}.jpg")
    caplog.set_level("INFO", "fashion_keras")
    config = with_image_size(TrainConfig(backbone=backbone), read_catalog(tmp_path))
    assert (config.image_spec.height, config.image_spec.width) == size
    is_far_below = backbone != "custom_cnn" and max(size) < 112
    assert any("ImageNet weights are worth much less" in line for line in caplog.messages) == is_far_below
    assert with_image_size(TrainConfig(backbone=backbone, image_size=96), read_catalog(tmp_path)).image_size == "96x96"
