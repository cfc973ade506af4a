"""
Denoise by a network fitted to the one image
============================================

The deep image prior has seen no photograph: an untrained network is fitted to the noisy image
alone, and stopped before it takes up the noise, here of 25 of 255.
"""

import numpy as np
from matplotlib import pyplot as plt
from panels import crop, psnr, show
from skimage import data

import fastepll

clean = crop(data.camera(), 88, 180, 96)
sigma = 25 / 255
noisy = clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)

# %%
# A callback is told of each iteration. This one notes how far the image is from the clean one,
# which is otherwise not known.

seen = []


def note(now):
    """Every tenth iteration: the image that is returned, and that of the iteration alone."""
    if now.iteration % 10 == 0:
        seen.append((now.iteration, psnr(now.image, clean), psnr(now.output, clean)))


fit = fastepll.deep_image_prior(noisy, sigma=sigma, callback=note, full_output=True)
by_patches = fastepll.denoise(noisy, sigma)

images = {"noisy": noisy, "fastepll.denoise": by_patches, "deep_image_prior": fit.image}
show(clean, images)

# %%
# The prior of patches, which has learnt from photographs, restores this crop better, in
# milliseconds; the fit takes some seconds, and minutes for a whole photograph. What is returned is
# an average of the images so far: it ends up better than the last of them, but lags behind at
# first. The fit has stopped where the mean square residual of the average is the variance of the
# noise. Nothing but sigma need be known for that.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
iterations, averaged, alone = np.transpose(seen)
left.plot(iterations, alone, label="of the iteration alone")
left.plot(iterations, averaged, label="averaged")
right.semilogy(fit.losses / sigma**2, label="of the iteration alone")
right.semilogy(fit.statistics, label="averaged: stops at 1")
right.axhline(1, color="gray", linewidth=1)
for axes, name in ((left, "PSNR / dB"), (right, "mean square residual / sigma²")):
    axes.set(xlabel="iteration", ylabel=name)
    axes.legend()
