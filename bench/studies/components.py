"""Mixtures of 1 to 400 components: ``python bench/studies/components.py``.

Likelihood and denoising against the number of components; the same training for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Study, canvas, table
from measures import EXACT, denoised_patch_psnr, epll, log_likelihood
from recipes import COUNTS, RECIPES, SHIPPED

SIGMA = 25
COLUMNS = {"test nats": ".2f", "train nats": ".2f", "patch psnr": ".2f", "image psnr": ".2f"}


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("components", __doc__, argv)
    n, noisy = study.pick(100_000, 1000), study.pick(5000, 200)
    images, crop = study.pick(12, 1), study.pick(0, 64)
    names = {f"mixture-{k}": k for k in study.pick(COUNTS, (1, 2, 5))} | {SHIPPED: 200}
    rows: list[dict[str, Any]] = []
    for name, k in names.items():
        prior = study.prior(name)

        def nats(split: str, prior: Any = prior) -> dict[str, float]:
            return log_likelihood(prior, split, n)

        def image(i: int, prior: Any = prior) -> dict[str, float]:
            return {"psnr": epll(prior, i, SIGMA, settings=EXACT, crop=crop)}

        test = study.cell("nats", name, "test", n, compute=lambda f=nats: f("test"))
        train = study.cell("nats", name, "train", n, compute=lambda f=nats: f("train"))
        patch = study.cell(
            "patch",
            name,
            SIGMA,
            noisy,
            compute=lambda p=prior: {"psnr": denoised_patch_psnr(p, SIGMA, noisy)},
        )
        whole = [
            study.cell("image", name, SIGMA, i, crop, compute=lambda i=i, f=image: f(i))["psnr"]
            for i in range(images)
        ]
        rows.append(
            {
                "components": k,
                "prior": "shipped" if name == SHIPPED else "here",
                "test nats": test["nats"],
                "error": test["error"],
                "train nats": train["nats"],
                "patch psnr": patch["psnr"],
                "image psnr": float(np.mean(whole)),
            }
        )
    study.csv(rows)
    write(study, rows, n=n, noisy=noisy, images=images)


def draw(rows: list[dict[str, Any]], shipped: dict[str, Any]) -> Any:
    """Likelihood and PSNR against the number of components."""
    drawn, axes = canvas(1, 3, size=(9.4, 3.2))
    counts = [row["components"] for row in rows]
    for split, style in (("test", "o-"), ("train", "s--")):
        axes[0].plot(counts, [row[f"{split} nats"] for row in rows], style, label=split)
    axes[0].plot(200, shipped["test nats"], "*", color="k", markersize=9, label="shipped, test")
    axes[0].set_ylabel("log-likelihood (nats per patch)")
    for axis, key in ((axes[1], "patch psnr"), (axes[2], "image psnr")):
        axis.plot(counts, [row[key] for row in rows], "o-", label="trained here")
        axis.plot(200, shipped[key], "*", color="k", markersize=9, label="shipped")
        axis.set_ylabel(f"{key.split()[0]} PSNR at sigma {SIGMA} (dB)")
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xticks([1, 10, 100], ["1", "10", "100"])
        axis.set_xlabel("components")
        axis.legend(fontsize=8, loc="lower right")
    return drawn


def write(study: Study, rows: list[dict[str, Any]], *, n: int, noisy: int, images: int) -> None:
    """Figure and page."""
    *ours, shipped = rows
    figure = study.figure(
        "curves",
        draw(ours, shipped),
        "Log-likelihood on the 63-dimension protocol, PSNR of patches and of images by exact EPLL "
        "against the number of components. Black: the shipped mixture of 200, trained longer.",
    )
    first, last = ours[0], ours[-1]

    def gain(key: str) -> float:
        return float(last[key] - first[key])

    def share(key: str, k: int) -> str:
        """Part of the whole gain that the first k components have."""
        row = next((r for r in ours if r["components"] >= k), last)
        return f"{100 * (row[key] - first[key]) / gain(key):.0f} %"

    def doubling(key: str) -> str:
        """What the last doubling adds."""
        return f"{round(last[key] - ours[-2][key], 2) + 0.0:+.2f}"

    ten = next((row for row in ours if row["components"] >= 10), last)
    seen, unseen = (last[f"{split} nats"] - ten[f"{split} nats"] for split in ("train", "test"))
    keys = ("test nats", "patch psnr", "image psnr")
    sentences = (
        f"From 1 to {last['components']} components the likelihood rises by "
        f"{gain(keys[0]):.1f} nats and the PSNR at sigma {SIGMA} by {gain(keys[1]):.2f} dB for "
        f"patches and {gain(keys[2]):.2f} dB for images, of which ten components have "
        f"{', '.join(share(key, 10) for key in keys)}, and the last doubling adds "
        f"{doubling(keys[0])} nats, {doubling(keys[1])} dB and {doubling(keys[2])} dB. "
        "The 2012 paper found the same: a few components already model and denoise well, and more "
        f"bring less and less, overfitting little: beyond {ten['components']} components the "
        f"likelihood of training patches rises by {seen:.2f} nats, of test patches by "
        f"{unseen:.2f}."
    )
    study.page(
        "Number of components",
        sentences,
        [
            f"Log-likelihood in nats on the 63-dimension protocol, {n} patches each of "
            "bsds300/test and bsds300/train, error: standard error of the test figure over images, "
            "whose differences between rows are far more certain than that. PSNR in dB at sigma "
            f"{SIGMA}: MAP of {noisy} test patches; exact EPLL on the first {images} images of "
            "bsd68.",
            table(
                rows,
                {"components": "d", "prior": "", "test nats": ".2f", "error": ".1f"}
                | dict(list(COLUMNS.items())[1:]),
            ),
            figure,
            f"Training, the same for each: {RECIPES['mixture-100']}; a component is replaced below "
            "that weight, or 0.2 over their number if that is less. The shipped mixture saw eight "
            "million patches in longer training ([training](../training.md)).",
        ],
    )


if __name__ == "__main__":
    main()
