"""Weight decay, the same whatever the optimizer."""

import keras

_SPARED = ("bias", "gamma", "beta", "power")


def exclude_from_weight_decay(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Keep an optimizer's weight decay off what is no kernel: biases, normalisation, the power of GeM pooling.

    The decay is decoupled with each of Keras' optimizers: a kernel loses learning rate * decay of itself in a step
    (Loshchilov & Hutter 2017, arXiv:1711.05101).
    """
    optimizer.exclude_from_weight_decay(var_names=list(_SPARED))
    return optimizer
