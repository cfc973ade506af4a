"""What priors of the image itself gain."""

from __future__ import annotations

from versions import in_words

from .markdown import result, table

WAYS = ("exact", "exact, adapted", "exact, told", "high", "high, adapted", "BM3D")
PRIORS = ("shipped", "adapted", "from noisy images", "from clean images")


def adapted() -> str:
    """Photographs and other pictures with the shipped prior and the adapted one."""
    figures = result("adaptation")
    rows = [
        [
            f"`{row['image']}`" + (f", sigma {row['sigma']}" if "sigma" in row else ""),
            *(f"{row[way]:.2f} dB" if way in row else "" for way in WAYS),
            f"{row['exact, adapted'] - row['exact']:+.2f} dB",
        ]
        for row in figures["photographs"] + figures["others"]
    ]
    most = max(row["most lost"] for row in figures["photographs"])
    photons = figures["others"][-1]["photons"]
    return (
        table(["picture", *WAYS, "exact gains"], rows)
        + f"\n\n`bsd68`: means over the 68 images, of which none loses more than {most:.2f} dB. "
        + "*told*: by a prior that was adapted to the clean image instead. "
        + "`barbara` is that of the data, the other pictures come with scikit-image. "
        + f"`fluorescence`: threads (`bench/phantoms.py`) of {photons:.0f} photons at most and "
        + "read noise of one, by `fastepll.denoise_poisson`; BM3D by the same transform. "
        + f"{in_words(figures['machine'])}. Command: `python bench/adaptation.py`."
    )


def own_kind() -> str:
    """Priors learnt from another part of what they restore."""
    figures = result("adaptation")
    rows = [
        [one["kind"], *(f"{one[which]:.2f} dB" for which in PRIORS)] for one in figures["kinds"]
    ]
    return (
        table(["picture", *PRIORS], rows)
        + "\n\n`exact`, sigma 25. `brick`, `grass` and `gravel` of scikit-image: learnt from the "
        + "left half, restored on the right one. `digits`: handwritten ones side by side, 18×18 of "
        + "the training set of MNIST to learn from, 10×10 of the test set to restore. 50 "
        + "components. "
        + "Command: `python bench/adaptation.py`."
    )
