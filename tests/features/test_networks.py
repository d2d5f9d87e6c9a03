"""Networks called from many threads and from forked processes: the outputs of a serial call, bit for bit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from fashion_keras import load_classifier, load_encoder
from fashion_keras.features import networks
from fashion_keras.features.networks import KerasNetwork, OpenVINONetwork
from fashion_keras.features.runtime import convert
from fashion_keras.support.errors import InputError

SIZES = (1, 3, 16, 17, 40)


@pytest.fixture(scope="module")
def small_network():
    """A network of one convolution with random weights."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(32, 5, 2, activation="relu")(pixels)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(features))


@pytest.fixture(scope="module")
def xml(small_network, tmp_path_factory):
    """The small network, stored for OpenVINO."""
    folder = tmp_path_factory.mktemp("network")
    convert(small_network, folder)
    return folder / "network.xml"


@pytest.fixture(scope="module")
def batches():
    """Batches of many sizes, each with images of its own."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (SIZES[number % 5], 32, 32, 3)).astype(np.float32) for number in range(40)]


def assert_equal_to_serial(function, arguments, threads=16, rounds=4):
    """Call `function` from many threads at once and compare each result with that of a serial call."""
    expected = [function(argument) for argument in arguments]
    order = np.random.default_rng(1).permutation(np.arange(len(arguments)).repeat(rounds))
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda row: function(arguments[row]), order))
    for row, result in zip(order, results, strict=True):
        np.testing.assert_array_equal(result, expected[row])


@pytest.mark.parametrize("threads", [8, 16])
def test_openvino_network_gives_every_thread_its_own_outputs(xml, batches, threads):
    assert_equal_to_serial(OpenVINONetwork(xml), batches, threads)


def test_openvino_network_compiles_once_for_many_threads(xml, batches, monkeypatch):
    sizes = []
    compile_network = OpenVINONetwork._compile

    def counted(self, size, shape):
        sizes.append(size)
        return compile_network(self, size, shape)

    monkeypatch.setattr(OpenVINONetwork, "_compile", counted)
    network = OpenVINONetwork(xml)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(network, batches))
    assert sorted(sizes) == [1, 4, 16]


@pytest.mark.parametrize("count", [1, 2, 4, 7, 16, 17, 40, 64])
def test_openvino_network_computes_no_image_twice_and_keeps_the_order(xml, small_network, count):
    parts = list(networks._parts(count))
    assert sum(size for _, size in parts) == count and {size for _, size in parts} <= {1, 4, 16}
    pixels = np.random.default_rng(count).uniform(0, 255, (count, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(OpenVINONetwork(xml)(pixels), small_network.predict_on_batch(pixels), rtol=1e-3)


def test_openvino_network_works_on_after_a_failed_call(xml, batches, monkeypatch):
    network = OpenVINONetwork(xml)
    expected = network(batches[4])
    with monkeypatch.context() as broken, pytest.raises(RuntimeError, match="out of memory"):
        broken.setattr(networks, "_output", lambda request: (_ for _ in ()).throw(RuntimeError("out of memory")))
        network(batches[4])
    with ThreadPoolExecutor(8) as pool:
        for outputs in pool.map(network, [batches[4]] * 16):
            np.testing.assert_array_equal(outputs, expected)


def test_keras_network_gives_every_thread_its_own_outputs(small_network, batches):
    assert_equal_to_serial(KerasNetwork(small_network), batches)


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_predict_from_16_threads_equals_serial_predictions(run, batches, runtime):
    classifier = load_classifier(run.folder, runtime)
    images = [list(batch.astype(np.uint8)) for batch in batches[:10]]
    assert_equal_to_serial(lambda part: classifier.predict(part).probabilities, images)


def test_embed_from_16_threads_equals_serial_embeddings(run, batches):
    encoder = load_encoder(run.folder, precision="float32")
    images = [*(batch.astype(np.uint8) for batch in batches[:10]), batches[0][0].astype(np.uint8)]
    assert_equal_to_serial(encoder.embed, images)


@pytest.mark.slow
def test_load_classifier_from_many_threads(run, batches):
    images = list(batches[2].astype(np.uint8))
    expected = load_classifier(run.folder, "tensorflow").predict(images).probabilities
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda _: load_classifier(run.folder, "tensorflow").predict(images).probabilities, range(4))
        )
    for result in results:
        np.testing.assert_array_equal(result, expected)


FORKED = """
import os, sys, time, numpy as np
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from fashion_keras.features.networks import OpenVINONetwork
network = OpenVINONetwork(Path(sys.argv[1]))
pixels = np.random.default_rng(0).uniform(0, 255, (40, 32, 32, 3)).astype(np.float32)
expected = network(pixels)
with ThreadPoolExecutor(4) as pool:  # forked in the midst of calls
    calls = [pool.submit(network, pixels) for _ in range(20)]
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            equal = number == 2 or np.array_equal(network(pixels), expected)
            if number:
                sys.exit(0 if equal else 1)  # the parent's network is not destroyed either
            os._exit(0 if equal else 1)
        children.append(child)
    [call.result() for call in calls]
assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)
assert np.array_equal(network(pixels), expected)
print("done", "tensorflow" in sys.modules)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_openvino_network_works_in_a_forked_process(xml):
    result = subprocess.run([sys.executable, "-c", FORKED, xml], capture_output=True, text=True, timeout=120)
    assert result.stdout == "done False\n", result.stderr


def test_keras_network_refuses_a_forked_process(monkeypatch):
    network = KerasNetwork(None)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(InputError, match="get_context\\('spawn'\\)"):
        network(np.zeros((1, 32, 32, 3), np.float32))
