import doctest
import math

import numpy as np

from jax_inpaint.metrics import Mean, totals


def test_any_cut_into_batches_gives_the_same():
    values = np.random.default_rng(0).uniform(5, 45, 1000).astype(np.float32)
    whole = Mean.of(values)
    assert whole.value == math.fsum(values.tolist()) / 1000
    for size in (1, 7, 64, 333):
        parts = []
        for first in range(0, 1000, size):
            # The last batch is filled up with whatever.
            batch = np.full(size, 1e9, np.float32)
            own = values[first : first + size]
            batch[: len(own)] = own
            parts.append(Mean.of(batch, np.arange(size) < len(own)))
        # Hosts add up theirs first.
        hosts = [sum(parts[host::3], Mean()) for host in range(3)]
        assert sum(parts, Mean()) == whole == sum(hosts, Mean())


def test_infinite_values_and_nan():
    mean = Mean.of(np.array([np.inf, 10, np.nan, 30], np.float32))
    assert mean == Mean(40.0, 2, 1)
    assert mean.value == 20
    assert Mean.of(np.array([np.inf, np.nan], np.float32)).value == math.inf
    assert math.isnan(Mean.of(np.array([np.nan], np.float32)).value)
    assert math.isnan(Mean().value)


def test_the_example():
    failed, tried = doctest.testmod(totals)
    assert (failed, tried > 0) == (0, True)
