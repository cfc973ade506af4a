"""
Digits by latent variables
==========================

Eight variables that nobody has observed explain a digit: linearly, with Gaussian noise
(probabilistic PCA), or through a network (variational autoencoder, VAE).
"""

import numpy as np
from panels import digits, tiles

from fastepll.generative import VAE, ProbabilisticPCA
from fastepll.train.descent import Descent

(train, _), (test, _) = digits()
how = Descent(iterations=1000, learning_rate=5e-3, average=0.99)
pca = ProbabilisticPCA.fit(train, n_latents=8)
vae = VAE.fit(train, n_latents=8, width=100, depth=1, how=how)

# %%
# The evidence lower bound of log p has two terms: how probable the encoder's variables make the
# digit, less what they tell of it, the divergence from the prior. The encoder of PCA gives the
# posterior itself, so the bound is attained. (Its log p is of a density of real values, and not to
# be compared with a probability of black and white.)


def terms(elbo, log_p):
    """Means over test digits, in nats."""
    parts = {**elbo._asdict(), "bound": elbo.values, "log p": log_p}
    return {name: round(float(np.mean(values)), 2) for name, values in parts.items()}


of_pca = terms(pca.elbo(test), pca.log_prob(test))
print(of_pca)

# %%
# That of the VAE is a Gaussian beside the posterior. Many draws of it, weighted, give log p but for
# a little: the bound lacks their difference.

of_vae = terms(vae.elbo(test, n_samples=20), vae.bound(test, n_samples=200).values)
print(of_vae)

# %%
# New digits: variables from the prior, then the digit that they explain.

tiles({"test digits": test[:16], "PCA": pca.sample(16, rng=0), "VAE": vae.sample(16, rng=0)})

# %%
# From one test digit to another on the straight line between their variables, the means of the
# encoder's Gaussians: what digit is expected there.

t = np.linspace(0, 1, 8)[:, None]
lines = {}
for name, model in {"PCA": pca, "VAE": vae}.items():
    z = model.represent(test[:16])
    lines[name] = np.concatenate([(1 - t) * z[i] + t * z[i + 8] for i in range(8)])
between = {"PCA": pca.mean + lines["PCA"] @ pca.factors.T, "VAE": vae.decode(lines["VAE"])}
tiles(between, columns=8)
