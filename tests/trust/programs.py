"""Programs that the crash matrix interrupts.

Each goes on from the state that it finds, and prints "done N TIME" when its N-th step is acknowledged.
"""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from fashion_keras.catalog.corrections import Correction, append_corrections, read_corrections
from fashion_keras.search.base import Records
from fashion_keras.search.indexing import open_index
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, records

STEPS = 9
CORRECTIONS = 60


def acknowledge(step):
    print(f"done {step} {time.monotonic()}", flush=True)


def _changed(images):
    return Records(images.ids, images.skus, -images.embeddings, images.paths, images.columns)


def _step(index, step):
    """Change an index by its step: add, replace, remove and compact in turn."""
    block, kind = divmod(step, 4)
    images = records(200 * block, 200 * block + 150)
    if kind == 0:
        index.add(images)
    elif kind == 1:
        index.update(_changed(images.take(np.arange(60))))
    elif kind == 2:
        index.delete(images.ids[::3])
    else:
        index.compact()


def index_digest(index):
    """What an index holds."""
    images = index.lookup(index.ids())
    texts = [values.tolist() for values in (images.ids, images.skus, images.columns["gender"])]
    # An update turns embeddings around; PostgreSQL rounds them.
    parts = (texts, (images.embeddings > 0).tolist())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def index_states(folder):
    """The digest of an index before its first step and after each."""
    index = LocalIndex.create(folder, SPEC)
    states = [index_digest(index)]
    for step in range(STEPS):
        _step(index, step)
        states.append(index_digest(index))
    return states


def change_index(place, states):
    """Carry out the steps that an index has not seen yet; a compaction is repeated, which does no harm."""
    index = open_index(place)
    digest = index_digest(index)
    for step in range(states.index(digest), STEPS):
        _step(index, step)
        acknowledge(step + 1)


def correct(folder):
    """Append corrections, those that are there already left out."""
    path = Path(folder) / "corrections.csv"
    present = {row.sku for row in read_corrections(path)[0]} if path.is_file() else set()
    for number in range(CORRECTIONS):
        if str(number) not in present:
            row = Correction(sku=str(number), column="gender", before="Men", after="Women", action="correct")
            append_corrections(path, [row])
        acknowledge(number + 1)


def main(name, place, *rest):
    """Run a program as the command line runs its commands: one line for an error."""
    try:
        change_index(place, rest) if name == "index" else correct(place)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
