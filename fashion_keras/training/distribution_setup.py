"""Start of training on several devices: which there are, and what cannot be distributed."""

import logging
from functools import cache

import keras
import tensorflow as tf

from fashion_keras.support.errors import InputError
from fashion_keras.training.cluster import Cluster, bypass_proxy, read_cluster
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.distribution import ONE_DEVICE, Distribution

log = logging.getLogger("fashion_keras")


def start_distribution(config: TrainConfig) -> Distribution:
    """Return the distribution that a config asks for, and log it; every worker waits here for all others.

    InputError for another backend than TensorFlow, a TF_CONFIG that cannot be used, settings that cannot be
    distributed, or a batch size that the replicas do not divide.
    """
    if config.distribute == "none":
        return ONE_DEVICE
    if keras.config.backend() != "tensorflow":
        raise InputError(f"--distribute needs KERAS_BACKEND=tensorflow, not {keras.config.backend()}")
    cluster = read_cluster()
    mode = config.distribute
    if mode == "auto":
        mode = _automatic(cluster)
    if mode == "none":
        return ONE_DEVICE
    if config.accumulate > 1:
        raise InputError("--accumulate averages the batches of one device: leave it or --distribute out")
    if mode == "multiworker":
        _check_multiworker(config, cluster)
        bypass_proxy(cluster)
        distribution = Distribution(mode, _multi_worker_strategy(), cluster)
    else:
        distribution = Distribution(mode, _mirrored_strategy())
    _check_batch(config.batch_size, distribution)
    return distribution


def _automatic(cluster: Cluster) -> str:
    """Return the mode that --distribute auto takes, and log it."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    mode = "multiworker" if cluster.workers > 1 else "mirrored" if gpus > 1 else "none"
    log.info("--distribute auto: %s (%d workers in TF_CONFIG, %d GPUs here)", mode, cluster.workers, gpus)
    return mode


def _check_multiworker(config: TrainConfig, cluster: Cluster) -> None:
    if cluster.workers < 2:
        raise InputError("--distribute multiworker needs an environment variable TF_CONFIG that names several workers")
    for flag, given in (("--tune", config.tune), ("--folds", config.is_cross_validation)):
        if given:
            raise InputError(f"{flag} trains several networks, which several workers cannot: leave it or TF_CONFIG out")


def _check_batch(batch_size: int, distribution: Distribution) -> None:
    """Log how the global batch is divided; InputError where it is not divisible."""
    replicas = distribution.replicas
    if batch_size % replicas:
        raise InputError(
            f"--batch-size {batch_size} is the global batch, which {replicas} replicas must divide: give a multiple of "
            f"{replicas}"
        )
    log.info(
        "--distribute %s: global batch %d = %d replicas x %d images, %d workers; the learning rate is that of one "
        "device with this batch",
        distribution.mode, batch_size, replicas, batch_size // replicas, distribution.cluster.workers,
    )  # fmt: skip


@cache
def _mirrored_strategy() -> tf.distribute.Strategy:
    """Return the strategy of all GPUs, or of all logical CPUs; the reductions of two would have the same numbers."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@cache
def _multi_worker_strategy() -> tf.distribute.Strategy:
    """Return the strategy of TF_CONFIG; TensorFlow allows one in a process."""
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            f"--distribute multiworker must begin before TensorFlow is used in this process: start it anew ({error})"
        ) from None
