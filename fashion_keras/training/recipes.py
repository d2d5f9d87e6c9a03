"""Table of recipes: training settings of the papers. No Keras here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fashion_keras.support.errors import unknown_name_error


@dataclass(frozen=True)
class Recipe:
    """A paper's settings, as values of `TrainConfig`; flags override them."""

    name: str
    values: Mapping[str, Any]


RECIPES = (
    Recipe("li2020", {
        "backbone": "vgg19", "scaling": "unit", "strategy": "last_n:5", "head": "li2020", "augment": "li2020",
        "optimizer": "adam", "learning_rate": 1e-5, "schedule": "plateau", "patience": 10, "plateau_patience": 10,
        "epochs": 50, "batch_size": 32, "split": "random", "min_images": 500,
    }),
    Recipe("li2020_inception", {
        "backbone": "inception_v3", "image_size": "75x75", "fit": "stretch", "cut": "mixed7", "strategy": "full",
        "head": "li2020_inception", "augment": "li2020", "optimizer": "rmsprop", "learning_rate": 1e-4,
        "batch_size": 32, "split": "random", "min_images": 300,
    }),
    Recipe("schindler2018", {
        "backbone": "inception_v3", "strategy": "full", "augment": "schindler2018", "min_images": 100,
    }),
    Recipe("schindler2018_person", {
        "task": "person", "backbone": "person_detector", "head": "person_detector", "strategy": "scratch",
    }),
    Recipe("gutierrez2019", {
        "backbone": "resnet50", "image_size": "224x224", "fit": "pad", "scaling": "unit", "strategy": "scratch",
        "augment": "gutierrez2019", "optimizer": "sgd", "learning_rate": 1e-2, "schedule": "constant",
        "label_smoothing": 0.0, "epochs": 100,
    }),
    Recipe("guo2019", {
        "backbone": "inception_v3", "image_size": "299x299", "strategy": "full", "augment": "guo2019",
        "optimizer": "rmsprop", "learning_rate": 0.1, "batch_size": 256,
    }),
)  # fmt: skip


def get_recipe(name: str) -> Recipe:
    """Return the recipe of that name; InputError with the nearest known name for an unknown one."""
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise unknown_name_error("recipe", name, [recipe.name for recipe in RECIPES])
