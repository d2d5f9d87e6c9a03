"""Predictions of a classifier, and the one place where logits become probabilities. No Keras here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import (
    LabelGroup,
    class_names,
    group_slices,
    indicators,
    single_column,
    target_slices,
)
from fashion_keras.models.hierarchy import LEVELS, HierarchicalPredictions, combine_levels
from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Predictions:
    """Predictions for n images in one group of labels or several, K labels in all.

    Attributes:
        ids [n] str: image ids, or int64 0..n-1.
        probabilities [n, K] float32: group after group; those of a softmax group add up to 1.
        groups: the groups of labels.
        truth [n, C] int64 or None: packed targets, see `Targets.packed`; -1 unknown.
    """

    ids: NDArray[np.str_] | NDArray[np.int64]
    probabilities: NDArray[np.float32]
    groups: tuple[LabelGroup, ...]
    truth: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        heads = ", ".join(f"{group.name} ({len(group.classes)})" for group in self.groups)
        return f"Predictions({len(self)} images; {heads})"

    @property
    def classes(self) -> tuple[str, ...]:
        """The K label names; with several groups as "pattern: Striped"."""
        return class_names(self.groups)

    @property
    def codes(self) -> NDArray[np.int64]:
        """codes [n] of the most probable class of one single-valued group; InputError for other groups."""
        single_column(self.groups)
        return self.probabilities.argmax(axis=1)

    @property
    def true_codes(self) -> NDArray[np.int64]:
        """true_codes [n] of one single-valued group, -1 unknown; InputError for other groups."""
        return self.truth[:, single_column(self.groups)]

    @property
    def names(self) -> list[Any]:
        """The predicted labels of one group: n class names, or n tuples of them; InputError for several groups."""
        if len(self.groups) == 1 and self.groups[0].kind == "multi":
            return [tuple(names) for names in self._listed(self.predicted_labels)]
        return [self.classes[code] for code in self.codes]

    @property
    def predicted_labels(self) -> NDArray[np.bool_]:
        """predicted_labels [n, K]: the best class of a single-valued group, else the labels above their threshold."""
        parts = zip(self.groups, group_slices(self.groups).values(), strict=True)
        return np.concatenate([_predicted(group, self.probabilities[:, columns]) for group, columns in parts], axis=1)

    @property
    def true_labels(self) -> NDArray[np.int8]:
        """true_labels [n, K]: 1 yes, 0 no, -1 unknown."""
        return indicators(self.groups, self.truth)

    @property
    def known(self) -> NDArray[np.bool_]:
        """known [n] bool: where some label is known."""
        return (self.truth >= 0).any(axis=1)

    def group(self, name: str) -> "Predictions":
        """Return the predictions of one group alone; InputError for a group that the run does not have."""
        columns = group_slices(self.groups)
        if name not in columns:
            raise unknown_name_error("head of this run", name, columns)
        truth = None if self.truth is None else self.truth[:, target_slices(self.groups)[name]]
        groups = tuple(group for group in self.groups if group.name == name)
        return Predictions(self.ids, self.probabilities[:, columns[name]], groups, truth)

    def split(self) -> Iterable["Predictions"]:
        """Yield the predictions of each group alone."""
        return (self.group(group.name) for group in self.groups)

    def take(self, rows: NDArray[Any]) -> "Predictions":
        """Return the predictions of these rows, numbers or a mask, truth included."""
        truth = None if self.truth is None else self.truth[rows]
        return Predictions(self.ids[rows], self.probabilities[rows], self.groups, truth)

    def top(self, k: int = 3) -> list[list[tuple[str, float]]]:
        """Return the k most probable (class, probability) of each image in one group, the most probable first."""
        single_column(self.groups)
        return [
            [(label["class"], label["probability"]) for label in _ranked(row, self.classes)[:k]]
            for row in self.probabilities
        ]

    def to_dicts(self, k: int = 3) -> list[dict[str, Any]]:
        """Return one dict per image, ready for JSON; of several groups {"heads": {name: the dict of that group}}.

        Of a single-valued group: class, confidence and the k most probable as `top`; of a multi-valued one the
        predicted `labels`.
        """
        if len(self.groups) > 1:
            heads = {group.name: self.group(group.name).to_dicts(k) for group in self.groups}
            return [{"heads": dict(zip(heads, row, strict=True))} for row in zip(*heads.values(), strict=True)]
        if self.groups[0].kind == "multi":
            names, rows = np.array(self.classes), zip(self.probabilities, self.predicted_labels, strict=True)
            return [{"labels": _ranked(row[chosen], names[chosen])} for row, chosen in rows]
        ranked = [_ranked(row, self.classes)[:k] for row in self.probabilities]
        return [{"class": top[0]["class"], "confidence": top[0]["probability"], "top": top} for top in ranked]

    def to_columns(self) -> dict[str, Any]:
        """Return column -> n values: id, and of each group truth (where given), predicted, confidence, probabilities.

        With several groups the names begin with the group's: "gender.truth". In a multi-valued group, truth and
        predicted are lists of labels, and there is no confidence. A truth that is unknown is None.
        """
        if len(self.groups) > 1:
            heads = [(head.groups[0].name, head.to_columns()) for head in self.split()]
            return {"id": self.ids} | {
                f"{group}.{name}": values for group, own in heads for name, values in own.items() if name != "id"
            }
        columns, is_multi = {"id": self.ids}, self.groups[0].kind == "multi"
        if self.truth is not None:
            labels = zip(self._listed(self.true_labels == 1), self.known, strict=True)
            columns["truth"] = [(names if is_multi else names[0]) if known else None for names, known in labels]
        columns["predicted"] = self._listed(self.predicted_labels) if is_multi else self.names
        if not is_multi:
            columns["confidence"] = self.probabilities.max(axis=1)
        return columns | {"probabilities": list(self.probabilities)}

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row per image: `to_columns`, with a column for each label's probability.

        Such as "probability.Heels"; with several groups "article_type.probability.Heels".
        """
        import pandas as pd  # noqa: PLC0415 - half a second that a prediction must not wait for

        columns = {}
        for name, values in self.to_columns().items():
            group, _, kind = name.rpartition(".")
            if kind == "probabilities":
                part, prefix = (self.group(group), f"{group}.") if group else (self, "")
                columns |= {
                    f"{prefix}probability.{label}": part.probabilities[:, code]
                    for code, label in enumerate(part.classes)
                }
            else:
                columns[name] = list(values)
        return pd.DataFrame(columns)

    def joint(self) -> HierarchicalPredictions:
        """Predict article types and the categories above together by all heads; InputError when there are none."""
        if LEVELS[0] not in self.group_names:
            raise InputError(f"no hierarchy above {', '.join(self.group_names)}: only {LEVELS[0]} has one")
        heads = {head.groups[0].name: (head.groups[0].paths, head.probabilities) for head in self.split()}
        return combine_levels({name: heads[name] for name in LEVELS if name in heads})

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(group.name for group in self.groups)

    def _listed(self, chosen: NDArray[np.bool_]) -> list[list[str]]:
        return [[self.classes[code] for code in np.flatnonzero(row)] for row in chosen]


def probabilities(groups: Sequence[LabelGroup], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits [n, K] as probabilities [n, K], each group by its activation: the only place where that is done."""
    from scipy.special import expit, softmax  # noqa: PLC0415 - a third of a second that help must not wait for

    activations = {"softmax": lambda values: softmax(values, axis=1), "sigmoid": expit}
    parts = zip(groups, group_slices(groups).values(), strict=True)
    return np.concatenate(
        [activations[group.activation](logits[:, columns] / group.temperature) for group, columns in parts], axis=1
    )


def _predicted(group: LabelGroup, shares: NDArray[np.float32]) -> NDArray[np.bool_]:
    if group.kind == "single":
        return shares.argmax(axis=1)[:, None] == np.arange(len(group.classes))
    return shares >= group.threshold_array


def _ranked(row: NDArray[np.float32], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return probabilities [k] with their classes, the most probable first."""
    order = np.argsort(-row, kind="stable").tolist()
    return [{"class": str(classes[code]), "probability": float(row[code])} for code in order]
