"""Article types and the categories they lie in, decided together. No Keras here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.targets import HierarchyLevel, hierarchy_levels

# From the leaf up; named as the tasks are.
LEVELS = ("article_type", "sub_category", "master_category")
_LEAST = 1e-30  # a probability that rounding made 0 rules nothing out


@dataclass(frozen=True)
class HierarchicalPredictions:
    """One answer on three levels for each of n images: an article type, and the categories that it lies in.

    Attributes:
        leaves [n, k] float64: probabilities of the k article types; rows sum to 1.
        levels: level name -> its classes, named by their paths, and which of them each article type belongs to.
    """

    leaves: NDArray[np.float64]
    levels: Mapping[str, HierarchyLevel]

    def said(self, name: str) -> list[str]:
        """Return the answers on one level as n paths: the most probable article type, or what it lies in."""
        level = self.levels[name]
        return [level.paths[code] for code in level.codes[self.leaves.argmax(axis=1)]]

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """Return the probabilities [n, p] of one level: the sums over the article types within each class."""
        level = self.levels[name]
        return self.leaves @ np.eye(len(level.paths))[level.codes]

    def confidence(self, name: str) -> NDArray[np.float64]:
        """Return the probability [n] of each answer on one level; never less than on the level below."""
        chosen = self.levels[name].codes[self.leaves.argmax(axis=1)]
        return self.probabilities(name)[np.arange(len(chosen)), chosen]


def combine_levels(
    paths: Sequence[str], leaves: NDArray[np.float32], heads: Mapping[str, tuple[Sequence[str], NDArray[np.float32]]]
) -> HierarchicalPredictions:
    """Decide three levels together: p(leaf) times what the heads above say of its parents, scaled to sum to 1.

    Args:
        paths: of k article types: "Footwear/Shoes/Heels".
        leaves [n, k] float32: their probabilities.
        heads: of the levels above that have one: level name -> paths of its classes, and their probabilities [n, p].

    Raises:
        InputError: when the paths have no parents, because the catalogue lacks their columns.
    """
    own = HierarchyLevel(LEVELS[0], tuple(paths), np.arange(len(paths)))
    levels = {level.column: level for level in (own, *hierarchy_levels(paths))}
    logarithms = np.log(np.maximum(leaves, _LEAST, dtype=np.float64))
    for name, (classes, said) in heads.items():
        level = levels[name]
        # Every article type that is learnt lies in categories that are: they have no fewer products.
        places = [list(classes).index(path) for path in level.paths]
        logarithms += np.log(np.maximum(said[:, places], _LEAST, dtype=np.float64))[:, level.codes]
    shares = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return HierarchicalPredictions(shares / shares.sum(axis=1, keepdims=True), levels)
