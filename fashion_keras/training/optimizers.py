"""Optimizer settings: optimizer, learning-rate schedule, weight decay, gradient accumulation."""

from dataclasses import dataclass
from functools import partial

import keras

OPTIMIZER_CLASSES = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": partial(keras.optimizers.SGD, momentum=0.9),
    "adamw": keras.optimizers.AdamW,
}
_ADAMW_DECAY = 0.05
_NOT_DECAYED = ("bias", "gamma", "beta", "power")


@dataclass(frozen=True)
class OptimizerSettings:
    """Optimizer, learning-rate schedule, weight decay and gradient accumulation.

    Attributes:
        name: adam, rmsprop, sgd (momentum 0.9) or adamw.
        schedule: of the learning rate: "constant"; "plateau", a tenth after `plateau_patience` epochs without a lower
            validation loss; or "cosine", from a twentieth up in `warm_up` epochs, then down to 0.
        weight_decay: decoupled; None for 0.05 with adamw, else none.
        accumulate: batches whose gradients are averaged before a step.
    """

    name: str = "adam"
    schedule: str = "constant"
    weight_decay: float | None = None
    accumulate: int = 1
    plateau_patience: int = 5
    warm_up: int = 2

    def build(self, learning_rate: float, epochs: int, steps: int) -> keras.optimizers.Optimizer:
        """Return the optimizer for `epochs` epochs of `steps` batches; its schedule counts batches, as Keras does."""
        rate = learning_rate
        if self.schedule == "cosine":
            rise = min(self.warm_up, epochs - 1) * steps
            rate = keras.optimizers.schedules.CosineDecay(
                learning_rate / 20, epochs * steps - rise, 0.0, warmup_target=learning_rate, warmup_steps=rise
            )
        decay = _ADAMW_DECAY if self.weight_decay is None and self.name == "adamw" else self.weight_decay
        accumulated = self.accumulate if self.accumulate > 1 else None
        optimizer = OPTIMIZER_CLASSES[self.name](rate, weight_decay=decay, gradient_accumulation_steps=accumulated)
        return exclude_from_weight_decay(optimizer)


def exclude_from_weight_decay(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Restrict an optimizer's weight decay to kernels: not biases, normalization or the power of GeM pooling.

    It is decoupled: a kernel loses learning rate * decay of itself in a step (Loshchilov & Hutter, arXiv:1711.05101).
    """
    optimizer.exclude_from_weight_decay(var_names=list(_NOT_DECAYED))
    return optimizer
