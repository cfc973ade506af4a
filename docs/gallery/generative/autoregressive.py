"""
Digits by the chain rule
========================

The probability of a digit is the product of those of its pixels, each given all before it: by
logistic regressions (FVSBN), a network that they share (NADE), or one with masks (MADE).
"""

import numpy as np
from panels import digits, mean_nats, tiles

from fastepll.generative import FVSBN, MADE, NADE, ChowLiuTree, resample_given
from fastepll.train.descent import Descent

(train, _), (test, _) = digits()
how = Descent(iterations=600, learning_rate=0.01, average=0.99)
models = {
    "tree": ChowLiuTree.fit(train),
    "FVSBN": FVSBN.fit(train, how=how),
    "NADE": NADE.fit(train, hidden=50, how=how),
    "MADE": MADE.fit(train, hidden=(100,), how=how),
}

# %%
# Mean log probability of a test digit in nats, beside that of the tree of greatest likelihood:

nats = mean_nats(models, test)
print(nats)

# %%
# What each expects of a pixel, given those before it in the same digit, line by line (the tree:
# given the pixel's parent). The nats are the sum of the logs of these probabilities.

expected = {
    name: np.stack([m.conditional(test[:16].reshape(16, 64), i)[:, 1] for i in range(64)], axis=1)
    for name, m in models.items()
}
tiles({"test digits": test[:16], **expected})

# %%
# New digits, drawn pixel by pixel.

tiles({"test digits": test[:16], **{name: m.sample(16, rng=0) for name, m in models.items()}})

# %%
# The lower half given the upper one is what comes last, and drawn exactly.

upper = np.indices((8, 8))[0] < 4
completed = {name: m.sample_given(test[:16], upper, 0) for name, m in models.items()}
tiles({"given": np.where(upper, test[:16], 0.5), **completed})

# %%
# The upper half given the lower one is not: each is the one of 100 proposals, by their weights.

completed = {name: resample_given(m, test[:16], ~upper, 0) for name, m in models.items()}
tiles({"given": np.where(upper, 0.5, test[:16]), **completed})
