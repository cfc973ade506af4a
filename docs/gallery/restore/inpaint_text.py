"""
Remove text from a colour photograph
====================================

The mask is True where the text lies; all other pixels are returned as they are.
"""

import numpy as np
from panels import crop, show
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import fastepll

clean = crop(data.coffee(), 40, 200, 176)
text = Image.new("1", (176, 176))
font = ImageFont.load_default(size=15)
for row in range(0, 176, 22):
    words = "expected patch log likelihood"[row // 22 :]
    ImageDraw.Draw(text).text((4, row), words, fill=1, font=font)
mask = np.array(text)
overlaid = np.where(mask[..., None], 1.0, clean)

# %%
# One mask holds for all three channels.

filled = fastepll.inpaint(overlaid, mask, channel_axis=-1)

images = {"with text": overlaid, "restored": filled}
show(clean, images)
