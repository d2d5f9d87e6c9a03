"""Table of training strategies: which layers are trained, in which order, at which learning rate."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Phase:
    """A share of a run's epochs in which the same layers are trainable: "head", "last_block", "last_n" or "all"."""

    trainable: str
    share: float
    learning_rate: float


@dataclass(frozen=True)
class Strategy:
    """Training strategy: phases, each from the best weights of the one before; default settings.

    `count` is N of last_block:N and last_n:N, the number of stages or layers; 0 for other strategies.
    """

    name: str
    phases: tuple[Phase, ...]
    epochs: int
    optimizer: str = "adam"
    schedule: str = "plateau"
    label_smoothing: float = 0.0
    count: int = 0

    @property
    def from_scratch(self) -> bool:
        """Whether the backbone starts from random weights."""
        return self.name == "scratch"

    def phase_epochs(self, epochs: int | None) -> list[int]:
        """Return the epochs of each phase, at least 1, of `epochs` or the default in total.

        >>> get_strategy("frozen+full").phase_epochs(9)
        [3, 6]
        """
        shares = accumulate(phase.share for phase in self.phases)
        ends = [round(share * (epochs or self.epochs)) for share in shares]
        return [max(end - start, 1) for start, end in zip([0, *ends], ends, strict=False)]


STRATEGIES = (
    Strategy("frozen", (Phase("head", 1.0, 1e-3),), epochs=40),
    Strategy("last_block", (Phase("last_block", 1.0, 3e-4),), 10, schedule="cosine", label_smoothing=0.1, count=1),
    Strategy("last_n", (Phase("last_n", 1.0, 1e-4),), epochs=10),
    Strategy("full", (Phase("all", 1.0, 1e-4),), epochs=10),
    Strategy("scratch", (Phase("all", 1.0, 2e-3),), 30, optimizer="adamw", schedule="cosine", label_smoothing=0.1),
    Strategy("frozen+full", (Phase("head", 1 / 3, 1e-3), Phase("all", 2 / 3, 1e-4)), epochs=15),
)

# Strategies of which a number is part of the name, as messages write them.
_COUNTED = {"last_block": "last_block[:N]", "last_n": "last_n:N"}


def get_strategy(name: str) -> Strategy:
    """Return the strategy of that name; InputError for an unknown name, or an N that is no number from 1.

    last_n needs its N; that of last_block is 1 where it is left out.

    >>> get_strategy("last_n:5").count, get_strategy("last_block:2").count, get_strategy("last_block").count
    (5, 2, 1)
    """
    base, separator, number = name.partition(":")
    for strategy in STRATEGIES:
        if strategy.name == name and name != "last_n":
            return strategy
        if strategy.name == base and separator and base in _COUNTED:
            if not number.isdecimal() or int(number) < 1:
                raise InputError(f"strategy {name!r}: N of {base}:N must be a whole number from 1")
            return replace(strategy, name=name, count=int(number))
    raise unknown_name_error("strategy", name, [_COUNTED.get(row.name, row.name) for row in STRATEGIES])


def set_trainable(network: "keras.Model", strategy: Strategy, phase: Phase, block: str, pretrained: bool) -> list[str]:
    """Make the head and the layers of a phase trainable and freeze all others; compile the network afterwards.

    Batch normalization of a pretrained backbone is frozen in any case: `training=False` would not keep its moving means
    in Keras 3, and small batches spoil them. `block` is the last layer that `last_block:N` keeps frozen. Returns the
    names of trainable backbone layers that have weights; InputError when N of last_n exceeds the number of layers.
    """
    names = [layer.name for layer in network.layers]
    # The backbone's layers in order, up to its pooling layer, as keras.applications counts them.
    backbone = network.layers[: names.index("pool") + 1]
    trainable = {layer.name for layer in backbone[_first_trainable(names, strategy, phase, block) :]}
    for layer in backbone:
        is_batch_norm = type(layer).__name__ == "BatchNormalization"
        layer.trainable = layer.name in trainable and layer.name != "person" and not (is_batch_norm and pretrained)
        if is_batch_norm and layer.trainable:
            # On a small catalog, moving means lag behind for many epochs with Keras' 0.99.
            layer.momentum = 0.9
    for layer in network.layers:
        # Moving statistics of the head lag behind features that change: validation would use another network.
        if layer.name == "head_norm":
            layer.trainable = phase.trainable == "head"
    return [layer.name for layer in backbone if layer.trainable and layer.weights]


def cacheable_boundary(network: "keras.Model", strategy: Strategy, phase: Phase, block: str) -> str | None:
    """Return the last layer of the part of a network that is frozen throughout a phase; None where no weights are.

    All later layers depend on its output alone, so that this can be computed once per image. Where the first trainable
    layer is inside of parallel branches, it is the last layer before them. Arguments are as in `set_trainable`.
    """
    # Not `layers`: MobileNet's activation and ConvNeXt's scaling contain bare operations, too.
    steps = network.operations
    producers = {id(step.output): number for number, step in enumerate(steps)}
    last_readers = [0] * len(steps)
    for number, step in enumerate(steps):
        for tensor in step.input if isinstance(step.input, list) else [step.input]:
            last_readers[producers[id(tensor)]] = number
    names = [layer.name for layer in network.layers]
    first = steps.index(network.layers[_first_trainable(names, strategy, phase, block)])
    ends = [number for number in range(first) if max(last_readers[:number], default=0) <= number]
    with_weights = [
        steps[number].name for number in ends if any(getattr(step, "weights", ()) for step in steps[: number + 1])
    ]
    return next((name for name in reversed(with_weights) if name in names), None)


def _first_trainable(names: list[str], strategy: Strategy, phase: Phase, block: str) -> int:
    end = names.index("pool") + 1
    if phase.trainable == "last_n":
        # The layer of a person detector is not one of the backbone.
        end -= "person" in names
        first = names.index("scaling") + 1
        if strategy.count > end - first:
            raise InputError(f"strategy {strategy.name}: the backbone has {end - first} layers, pooling included")
        return end - strategy.count
    if phase.trainable == "last_block":
        return names.index(block) + 1
    return end if phase.trainable == "head" else 0
