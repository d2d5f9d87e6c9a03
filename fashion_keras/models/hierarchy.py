"""Hierarchical predictions: article types and the categories above them, predicted together. No Keras here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import ClassPath
from fashion_keras.catalog.targets import HierarchyLevel, hierarchy_levels

# From the leaf up; named as the tasks are.
LEVELS = ("article_type", "sub_category", "master_category")
_MIN_PROBABILITY = 1e-30  # a probability that rounding made 0 rules nothing out


@dataclass(frozen=True)
class HierarchicalPredictions:
    """One consistent prediction on three levels for each of n images.

    Attributes:
        leaves [n, k] float64: probabilities of the k article types; rows sum to 1.
        levels: level name -> its classes, and the one that each article type belongs to.
    """

    leaves: NDArray[np.float64]
    levels: Mapping[str, HierarchyLevel]

    def codes(self, name: str) -> NDArray[np.int64]:
        """Return the predicted class [n] of one level: of the most probable article type, or the one above it."""
        return self.levels[name].codes[self.leaves.argmax(axis=1)]

    def paths(self, name: str) -> list[ClassPath]:
        """Return the path of the predicted class of each image on one level."""
        return [self.levels[name].paths[code] for code in self.codes(name)]

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """Return the probabilities [n, p] of one level: the sums over the article types within each class."""
        level = self.levels[name]
        return self.leaves @ np.eye(len(level.paths))[level.codes]

    def confidence(self, name: str) -> NDArray[np.float64]:
        """Return the probability [n] of the predicted class of one level; never less than on the level below."""
        codes = self.codes(name)
        return self.probabilities(name)[np.arange(len(codes)), codes]


def combine_levels(heads: Mapping[str, tuple[Sequence[ClassPath], NDArray[np.float32]]]) -> HierarchicalPredictions:
    """Combine levels: p(leaf) times the probabilities that the heads above give its parents, scaled to sum to 1.

    `heads` of article types and of the levels above that have one: level name -> paths of its classes, such as
    ("Footwear", "Shoes", "Heels"), and their probabilities [n, p]. InputError when the paths have no parents, because
    the catalog lacks their columns.
    """
    from scipy.special import softmax  # noqa: PLC0415 - a third of a second that help must not wait for

    paths = tuple(heads[LEVELS[0]][0])
    own = HierarchyLevel(LEVELS[0], paths, np.arange(len(paths)))
    levels = {level.column: level for level in (own, *hierarchy_levels(paths))}
    logarithms = 0.0
    for name, (classes, shares) in heads.items():
        level = levels[name]
        # The parent of every class is a class, too: it has no fewer products.
        columns = [list(classes).index(path) for path in level.paths]
        logarithms += np.log(np.maximum(shares[:, columns], _MIN_PROBABILITY, dtype=np.float64))[:, level.codes]
    return HierarchicalPredictions(softmax(logarithms, axis=1), levels)
