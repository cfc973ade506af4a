"""
Compressed sensing, by an operator of your own
==============================================

Measured are the cosine coefficients of periods above 16 pixels, of which patches of 8 × 8 show too
little, and of the others as many at random as make half of all.
"""

import numpy as np
from panels import crop, show
from scipy.fft import dctn, idctn
from skimage import data

import fastepll
from fastepll.operators import Operator

# %%
# An operator is its shapes, ``forward`` and ``adjoint``; the rest is inherited.


class Cosines(Operator):
    """Some of the cosine coefficients of an image."""

    def __init__(self, kept):
        super().__init__(kept.shape, (int(kept.sum()),))
        self.kept = kept

    def forward(self, x):
        """A x."""
        return dctn(x, norm="ortho")[self.kept]

    def adjoint(self, y):
        """Aᵀ y."""
        coefficients = np.zeros(self.in_shape, y.dtype)
        coefficients[self.kept] = y
        return idctn(coefficients, norm="ortho")


clean = crop(data.camera(), 60, 150, 224)
rank = np.random.default_rng(0).random(clean.shape)
rank[:28, :28] = 0
operator = Cosines(rank <= np.median(rank))
y = operator.forward(clean)

# %%
# The first picture has the measured coefficients and no others.

restored = fastepll.restore(y, operator, sigma=0)

images = {"other coefficients 0": operator.adjoint(y), "restored": restored}
show(clean, images)
