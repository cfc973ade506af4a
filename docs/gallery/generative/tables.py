"""
Digits by tables of probabilities
=================================

A pixel that is independent of the others, that depends on the one before it, on the one that tells
most of it, or on the class of the digit: in each model its probabilities are counted.
"""

import numpy as np
from matplotlib import pyplot as plt
from panels import digits, mean_nats, tiles

from fastepll.generative import ChowLiuTree, Independent, MarkovChain, NaiveBayes

(train, classes), (test, truth) = digits()
models = {
    "independent": Independent.fit(train),
    "chain": MarkovChain.fit(train),
    "tree": ChowLiuTree.fit(train),
    "naive Bayes": NaiveBayes.fit(train, classes),
}

# %%
# How probable is a digit that they have not seen? Its mean log probability, in nats:

nats = mean_nats(models, test)
print(nats)

# %%
# New digits of each. Naive Bayes draws a class first, then each pixel on its own.

tiles({"test digits": test[:16], **{name: m.sample(16, rng=0) for name, m in models.items()}})

# %%
# The lower half, drawn exactly given the upper one. Of that, the chain sees the last pixel alone.

upper = np.indices((8, 8))[0] < 4
completed = {name: m.sample_given(test[:16], upper, 0) for name, m in models.items()}
tiles({"given": np.where(upper, test[:16], 0.5), **completed})

# %%
# Among all trees this is the one of greatest likelihood; without the pixels that are white in less
# than 2 % of the digits, which tell next to nothing, and over the mean of all digits.

mean = train.mean(0)
figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
axes.imshow(mean, cmap="gray")
for edge in enumerate(models["tree"].graph.parents[:, 0]):
    if min(mean.flat[[*edge]]) > 0.02:
        axes.plot(np.mod(edge, 8), np.floor_divide(edge, 8), "o-", color="tab:orange")
axes.set_axis_off()

# %%
# Naive Bayes is a classifier, too, also of a part of a digit. Right in percent:

bayes = models["naive Bayes"]
classes = {"whole": bayes.posterior(test), "upper half": bayes.posterior(test, upper.ravel())}
accuracy = {part: round(100 * np.mean(p.argmax(1) == truth)) for part, p in classes.items()}
print(accuracy)
