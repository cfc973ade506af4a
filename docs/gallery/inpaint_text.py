"""Remove text from a colour photograph.

The mask is True where the text lies; all other pixels are returned as they are.
"""

import numpy as np
from panels import crop, save
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import fastepll


def example(side=176):
    clean = crop(data.coffee(), 40, 200, side)
    text = Image.new("1", (side, side))
    font = ImageFont.load_default(size=15)
    for row in range(0, side, 22):
        words = "expected patch log likelihood"[row // 22 :]
        ImageDraw.Draw(text).text((4, row), words, fill=1, font=font)
    mask = np.array(text)
    overlaid = np.where(mask[..., None], 1.0, clean)
    filled = fastepll.inpaint(overlaid, mask, channel_axis=-1)
    return clean, {"with text": overlaid, "restored": filled}


if __name__ == "__main__":
    save(__file__, *example())
