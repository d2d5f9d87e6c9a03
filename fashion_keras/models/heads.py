"""Classification heads on top of a backbone: one table. No Keras here."""

from dataclasses import dataclass

from fashion_keras.support.errors import unknown_name_error

MULTI_STAGE = "multi_stage"
POOLINGS = ("avg", "max", "gem", "flatten", MULTI_STAGE)


@dataclass(frozen=True)
class Head:
    """Pooling, then optional normalization, dropout, hidden dense layers, dropout, and a layer of logits.

    Attributes:
        pooling: over height and width: avg, max, or gem, the generalized mean between the two (Radenović et al. 2018);
            flatten, which keeps every position, so that dense layers grow with the image; or multi_stage, the means and
            maxima of the last four stages.
        normalize: batch normalization of the pooled features, which brings those of any backbone to one scale. It is
            trained while the backbone is frozen and keeps its statistics when that is unfrozen.
        dropout_before: share of pooled features dropped in training.
        dense: widths of the hidden ReLU layers.
        dropout: share dropped in training of each hidden layer, or of the pooled features where there is none.
    """

    name: str
    pooling: str = "avg"
    normalize: bool = False
    dropout_before: float = 0.0
    dense: tuple[int, ...] = ()
    dropout: float = 0.0


HEADS = (
    Head("default", normalize=True, dropout=0.3),
    Head(MULTI_STAGE, MULTI_STAGE, normalize=True, dropout=0.5),
    Head("li2020", pooling="max", dense=(512,), dropout=0.5),
    Head("li2020_inception", dropout_before=0.4, dense=(512,)),
    Head("plain"),
    Head("alexnet", pooling="flatten", dense=(4096, 4096), dropout=0.5),
    Head("person_detector", pooling="flatten", dense=(256,), dropout=0.5),
)


def get_head(name: str) -> Head:
    """Return the row of that name; an unknown name raises InputError that offers the nearest."""
    for head in HEADS:
        if head.name == name:
            return head
    raise unknown_name_error("head", name, [head.name for head in HEADS])
