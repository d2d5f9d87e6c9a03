"""Learning-rate range test (Smith 2015, arXiv:1506.01186): the rate at which the loss falls fastest. Pure functions."""

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError

_FEWEST = 8


def smooth_losses(losses: NDArray[np.float64], momentum: float = 0.8) -> NDArray[np.float64]:
    """Return the exponential moving average [n] of losses [n], corrected for its start at 0 as Adam's are.

    >>> smooth_losses(np.array([1.0, 3.0]), 0.5).round(3).tolist()
    [1.0, 2.333]
    """
    smoothed, mean = np.empty(len(losses)), 0.0
    for step, loss in enumerate(losses):
        mean = momentum * mean + (1 - momentum) * loss
        smoothed[step] = mean / (1 - momentum ** (step + 1))
    return smoothed


def suggest_learning_rate(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """Return the rate before the lowest smoothed loss at which that falls fastest per factor of the rate.

    Args:
        rates [n]: rising.
        losses [n]: of one batch at each rate.

    Raises:
        InputError: for fewer than 8 steps, or a loss that never falls.
    """
    if len(rates) < _FEWEST:
        raise InputError(f"{len(rates)} steps are too few for a suggestion: at least {_FEWEST}")
    smoothed = smooth_losses(np.asarray(losses, np.float64))
    lowest = int(smoothed.argmin())
    slopes = np.gradient(smoothed, np.log(rates))[: lowest + 1]
    if lowest == 0 or not slopes.min() < 0:
        raise InputError(
            "the loss does not fall at any rate: give --highest or --lowest another value, or more --steps"
        )
    return float(rates[slopes.argmin()])
