"""Which layers learn, in which order and how fast. Reading the table needs no Keras."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Phase:
    """A stretch of training with the same layers thawed.

    Attributes:
        trainable: "head", "last_block", "last_n" or "all".
        share: of the run's epochs.
        learning_rate: the default.
    """

    trainable: str
    share: float
    learning_rate: float


@dataclass(frozen=True)
class Strategy:
    """A named way to train.

    Attributes:
        name: as written after `--strategy`; last_n takes a number, "last_n:5".
        phases: one after the other, each from the best weights of the one before.
        epochs, optimizer, schedule, label_smoothing: the defaults.
        layers: N of last_n.
    """

    name: str
    phases: tuple[Phase, ...]
    epochs: int
    optimizer: str = "adam"
    schedule: str = "plateau"
    label_smoothing: float = 0.0
    layers: int = 0

    @property
    def from_scratch(self) -> bool:
        """Whether first weights are not wanted."""
        return self.name == "scratch"

    def phase_epochs(self, epochs: int | None) -> list[int]:
        """Divide `epochs`, or the default, among the phases; each gets one at least.

        >>> get_strategy("frozen+full").phase_epochs(9)
        [3, 6]
        """
        ends = [
            round(sum(phase.share for phase in self.phases[: number + 1]) * (epochs or self.epochs))
            for number in range(len(self.phases))
        ]
        return [max(end - start, 1) for start, end in zip([0, *ends], ends, strict=False)]


STRATEGIES = (
    Strategy("frozen", (Phase("head", 1.0, 1e-3),), epochs=40),
    Strategy("last_block", (Phase("last_block", 1.0, 1e-4),), epochs=10),
    Strategy("last_n", (Phase("last_n", 1.0, 1e-4),), epochs=10),
    Strategy("full", (Phase("all", 1.0, 1e-4),), epochs=10),
    Strategy("scratch", (Phase("all", 1.0, 2e-3),), 30, optimizer="adamw", schedule="cosine", label_smoothing=0.1),
    Strategy("frozen+full", (Phase("head", 1 / 3, 1e-3), Phase("all", 2 / 3, 1e-4)), epochs=15),
)


def get_strategy(name: str) -> Strategy:
    """Return the strategy of that name.

    >>> get_strategy("last_n:5").layers
    5

    Raises:
        InputError: for an unknown name, or last_n without a positive number.
    """
    base, _, number = name.partition(":")
    for strategy in STRATEGIES:
        if strategy.name != base or bool(number) != (base == "last_n"):
            continue
        if base != "last_n":
            return strategy
        if not number.isdecimal() or int(number) < 1:
            raise InputError(f"strategy {name!r}: N of last_n:N is a whole number from 1")
        return replace(strategy, name=name, layers=int(number))
    raise unknown_name_error("strategy", name, [row.name + ":N" * (row.name == "last_n") for row in STRATEGIES])


def set_trainable(network: "keras.Model", strategy: Strategy, phase: Phase, block: str, pretrained: bool) -> list[str]:
    """Make the head and the layers of a phase trainable, all others not; compile the network afterwards.

    Args:
        network: as `build_network` makes it.
        strategy, phase: which layers.
        block: the last layer that `last_block` keeps frozen.
        pretrained: batch normalisation of a pretrained backbone stays frozen in any case: `training=False` would not
            keep its moving means in Keras 3, and small batches spoil them.

    Returns:
        the names of the backbone layers with weights that learn.

    Raises:
        InputError: when last_n asks for more layers than there are.
    """
    names = [layer.name for layer in network.layers]
    # The backbone's layers in order, its pooling layer the last, as keras.applications counts them.
    trunk = network.layers[: names.index("pool") + 1]
    thawed = {layer.name for layer in trunk[_first_thawed(names, strategy, phase, block) :]}
    for layer in trunk:
        normalises = type(layer).__name__ == "BatchNormalization"
        layer.trainable = layer.name in thawed and layer.name != "person" and not (normalises and pretrained)
        if normalises and layer.trainable:
            # Keras' 0.99 lags for epochs behind a network that learns on a small catalogue.
            layer.momentum = 0.9
    for layer in network.layers:
        if layer.name == "head_norm":
            # Features that move leave its running statistics behind: validation would see another network.
            layer.trainable = phase.trainable == "head"
    return [layer.name for layer in trunk if layer.trainable and layer.weights]


def cacheable_boundary(network: "keras.Model", strategy: Strategy, phase: Phase, block: str) -> str | None:
    """Return the layer with which the part of a network ends that stays as it is throughout a phase.

    What comes after it depends on nothing but its output, so that can be computed once per image. Where the first
    thawed layer stands among branches, it is the last layer before they part.

    Args:
        network, strategy, phase, block: as in `thaw`.

    Returns:
        the layer's name, or None when nothing with weights stays as it is.
    """
    # Not `layers`: MobileNet's activation and ConvNeXt's scaling hold bare operations, too.
    steps = network.operations
    makers = {id(step.output): number for number, step in enumerate(steps)}
    readers = [0] * len(steps)
    for number, step in enumerate(steps):
        for tensor in step.input if isinstance(step.input, list) else [step.input]:
            readers[makers[id(tensor)]] = number
    names = [layer.name for layer in network.layers]
    first = steps.index(network.layers[_first_thawed(names, strategy, phase, block)])
    ends = [number for number in range(first) if max(readers[:number], default=0) <= number]
    learnt = [
        steps[number].name for number in ends if any(getattr(step, "weights", ()) for step in steps[: number + 1])
    ]
    return next((name for name in reversed(learnt) if name in names), None)


def _first_thawed(names: list[str], strategy: Strategy, phase: Phase, block: str) -> int:
    end = names.index("pool") + 1
    if phase.trainable == "last_n":
        # A person detector's layer is none of the backbone's.
        end -= "person" in names
        first = names.index("scaling") + 1
        if strategy.layers > end - first:
            raise InputError(f"strategy {strategy.name}: the backbone has {end - first} layers, pooling included")
        return end - strategy.layers
    return {"head": end, "last_block": names.index(block) + 1, "all": 0}[phase.trainable]
