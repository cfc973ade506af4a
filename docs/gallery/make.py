"""Run every example: their pictures, and the page that shows them, ``docs/gallery.md``."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

from panels import captions, save

HERE = Path(__file__).parent
EXAMPLES = (
    "denoise",
    "denoise_colour",
    "uneven_noise",
    "poisson",
    "deblur",
    "inpaint_text",
    "inpaint_missing",
    "demosaic",
    "super_resolve",
    "devignette",
    "compressed_sensing",
    "calibrate",
    "plug_and_play",
)
HEAD = """# Gallery

Each picture is made by the program of its name in `docs/gallery/`, and all of them and this page by
`python docs/gallery/make.py` (with `pip install '.[test]'`, which has deepinv). Decibels are the
peak signal-to-noise ratio against the photograph. The photographs come with scikit-image and are
CC0: `camera` (Lav Varshney), `chelsea` (Stefan van der Walt), `coffee` (Rachel Michetti).
"""


def section(name, shown):
    """Title, text, picture, captions and code of an example."""
    module = importlib.import_module(name)
    title, _, text = inspect.getdoc(module).partition("\n")
    code = "\n\n".join(inspect.getsource(part).rstrip() for part in parts(module))
    return (
        f"\n## {title.rstrip('.')}\n\n{text.strip()}\n\n![{title}](gallery/{name}.png)\n\n"
        f"*{' | '.join(shown)}*\n\n```python\n{code}\n```\n"
    )


def parts(module):
    """What the example defines, in order."""
    own = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__]
    return sorted(own, key=lambda part: inspect.getsourcelines(part)[1])


def main():
    sys.path.append(str(HERE.parents[1] / "bench"))
    importlib.import_module("torch_peers").declare_torchvision_operators()  # for deepinv
    page = HEAD
    for name in EXAMPLES:
        clean, images = importlib.import_module(name).example()
        save(HERE / f"{name}.py", clean, images)
        page += section(name, captions(clean, images))
    (HERE.parent / "gallery.md").write_text(page)


if __name__ == "__main__":
    main()
