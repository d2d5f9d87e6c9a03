"""Optimizers: weight decay shrinks kernels alone, by the same amount whatever the optimizer."""

import keras
import numpy as np
import pytest
from keras import ops

from fashion_keras.models.layers import GeneralizedMeanPooling2D
from fashion_keras.training.config import OPTIMIZERS
from fashion_keras.training.trainer import OptimizerSettings


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_without_gradients_shrinks_kernels_alone(name):
    layers = [keras.layers.Conv2D(2, 1), keras.layers.BatchNormalization(), GeneralizedMeanPooling2D()]
    network = keras.Sequential([keras.Input((2, 2, 3)), *layers, keras.layers.Dense(4)])
    before = {weight.path: ops.convert_to_numpy(weight) + 1 for weight in network.trainable_weights}
    for weight in network.trainable_weights:
        weight.assign(before[weight.path])
    optimizer = OptimizerSettings(name, weight_decay=0.5).build(0.1, epochs=1, steps=1)
    optimizer.apply([ops.zeros_like(weight) for weight in network.trainable_weights], network.trainable_weights)
    ratios = {weight.path: ops.convert_to_numpy(weight) / before[weight.path] for weight in network.trainable_weights}
    assert len(ratios) == 7
    for path, ratio in ratios.items():
        np.testing.assert_allclose(ratio, 0.95 if path.endswith("kernel") else 1, rtol=1e-5, err_msg=path)
