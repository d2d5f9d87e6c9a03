"""Shares of the replicas in a global batch, when several devices or machines train one network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shares:
    """Division of every global batch among `replicas`; this process feeds those in `own`.

    Each replica gets consecutive rows of the batch, and their numbers differ by at most one: a last batch with fewer
    rows than replicas leaves some without any.
    """

    replicas: int = 1
    own: range = range(1)

    def bounds(self, rows: int, batch_size: int) -> NDArray[np.int64]:
        """Return the parts of an epoch of `rows` rows in order, [n, 5]: number, start, stop, first row, batch rows.

        start and stop are rows of the epoch; first row is the row of the global batch with which the part begins, and
        batch rows are all rows of that batch.

        >>> Shares(2, range(2)).bounds(7, 4).tolist()
        [[0, 0, 2, 0, 4], [1, 2, 4, 2, 4], [2, 4, 5, 0, 3], [3, 5, 7, 1, 3]]
        """
        parts = []
        for step, start in enumerate(range(0, rows, batch_size)):
            count = min(batch_size, rows - start)
            for replica in self.own:
                first, end = (count * number // self.replicas for number in (replica, replica + 1))
                parts.append((step * self.replicas + replica, start + first, start + end, first, count))
        return np.array(parts, np.int64).reshape(-1, 5)


ONE_REPLICA = Shares()
