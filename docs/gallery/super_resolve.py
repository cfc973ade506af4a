"""Enlarge a photograph three times.

Pillow's bicubic reduction made the small picture. In the middle, what bicubic interpolation makes
of it.
"""

import numpy as np
from panels import crop, save
from PIL import Image
from skimage import data

import fastepll


def example(side=225):
    side = side // 3 * 3
    clean = crop(data.camera(), 60, 150, side)
    photograph = Image.fromarray(clean.astype("f4"))
    small = photograph.resize((side // 3, side // 3), Image.Resampling.BICUBIC)
    bicubic = small.resize((side, side), Image.Resampling.BICUBIC)
    large = fastepll.super_resolve(small, 3)
    return clean, {"small": np.array(small), "bicubic": np.array(bicubic), "restored": large}


if __name__ == "__main__":
    save(__file__, *example())
