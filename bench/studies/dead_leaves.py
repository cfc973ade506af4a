"""Priors trained on dead leaves: ``python bench/studies/dead_leaves.py``.

How near to the true likelihood of the mini dead-leaves model do mixtures and their rivals come, and
what is a mixture that has seen nothing but dead leaves worth as a prior of photographs?
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Study, Values, canvas, draw_patches, table
from leaves import IMAGES, KINDS, LEAVES, MINI, leaves, leaves_image, trained
from measures import denoised_patch_psnr, epll, log_likelihood, patches, protocol_nats
from recipes import RECIPES, SHIPPED

from fastepll.priors import PatchPrior

SIGMA = 25
HELD_OUT = 1  # seed of the samples that likelihoods are of; training has 0
TITLES = {MINI: "mini dead leaves", LEAVES: "dead-leaves images"}


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("dead_leaves", __doc__, argv)
    n, photos, noisy = study.pick((10_000, 10_000, 2000), (200, 100, 100))
    images, crop = study.pick((12, 0), (1, 48))
    rivals = study.pick(tuple(KINDS), ("Gaussian", "GSM", "Gaussian mixture", "Student-t mixture"))
    mini: Any = study.prior(MINI)
    held = {MINI: mini.sample(n, HELD_OUT), LEAVES: leaves(n, HELD_OUT)}
    likelihoods: list[dict[str, Any]] = []

    def nats(prior: PatchPrior, source: str) -> Values:
        values = protocol_nats(prior.log_prob(held[source]))
        found = {"nats": values.mean(), "error": values.std() / np.sqrt(n)}
        if source == MINI:
            gap = true() - values
            found |= {"gap": gap.mean(), "gap error": gap.std() / np.sqrt(n)}
        return found

    kept: list[Any] = []

    def true() -> Any:
        if not kept:
            kept.append(protocol_nats(mini.log_prob(held[MINI])))
        return kept[0]

    for source, title in TITLES.items():
        for name in rivals:
            key, prior = trained(study, name, source)
            found = study.cell("nats", key, n, compute=lambda p=prior, s=source: nats(p, s))
            likelihoods.append({"patches": title, "prior": name, **found})
    exact = study.cell("nats", MINI, n, compute=lambda: nats(mini, MINI))
    likelihoods.append({"patches": TITLES[MINI], "prior": "true model", **exact})

    photographs: list[dict[str, Any]] = []
    gaussian = ("Gaussian", "photographs", "gaussian", study.prior("gaussian"))
    shipped = ("Gaussian mixture", "photographs", SHIPPED, study.prior(SHIPPED))
    learnt = [
        (name, TITLES[source], *trained(study, name, source))
        for name in ("Gaussian", "Gaussian mixture")
        for source in TITLES
    ]
    for name, title, key, prior in [gaussian, *learnt, shipped]:

        def photo(p: PatchPrior = prior) -> Values:
            return log_likelihood(p, "test", photos)

        def patch(p: PatchPrior = prior) -> Values:
            return {"psnr": denoised_patch_psnr(p, SIGMA, noisy)}

        row: dict[str, Any] = {"prior": name, "trained on": title}
        found = study.cell("photographs", key, photos, compute=photo)
        row |= {"nats": found["nats"], "error": found["error"]}
        row["patch psnr"] = study.cell("patch", key, SIGMA, noisy, compute=patch)["psnr"]
        row["image psnr"] = float(
            np.mean(
                [
                    study.cell(
                        "image",
                        key,
                        SIGMA,
                        i,
                        crop,
                        compute=lambda i=i, p=prior: {"psnr": epll(p, i, SIGMA, crop=crop)},
                    )["psnr"]
                    for i in range(images)
                ]
            )
        )
        photographs.append(row)
    row = {"prior": "mini dead leaves itself", "trained on": "its own density"}
    row |= study.cell(
        "photographs", MINI, photos, compute=lambda: log_likelihood(mini, "test", photos)
    )
    row["patch psnr"] = study.cell(
        "patch",
        MINI,
        SIGMA,
        noisy,
        compute=lambda: {"psnr": denoised_patch_psnr(mini, SIGMA, noisy)},
    )["psnr"]
    photographs.append(row)
    study.csv(
        [
            *({"table": "held out", **r} for r in likelihoods),
            *({"table": "photographs", **r} for r in photographs),
        ]
    )
    write(study, likelihoods, photographs, n=n, photos=photos, noisy=noisy, images=images)


def rates(prior: Any, n: int) -> Values:
    """Millions of patches drawn in a second by 1 and 2 threads: medians of calls in turn."""
    out = np.empty((n, prior.d), np.float32)
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(5):
        for threads, times in found.items():
            start = time.perf_counter()
            prior.sample(n, 0, dtype=np.float32, out=out, n_threads=threads)
            times.append(time.perf_counter() - start)
    return {str(threads): 1e-6 * n / np.median(times) for threads, times in found.items()}


def draw_gaps(rows: list[dict[str, Any]]) -> Any:
    """Gap to the true likelihood, and likelihood of dead-leaves images, by prior."""
    drawn, axes = canvas(1, 2, size=(9.0, 3.2), sharey=True)
    for axis, title, key, label in zip(
        axes,
        TITLES.values(),
        ("gap", "nats"),
        ("below the true likelihood (nats per patch)", "log-likelihood (nats per patch)"),
        strict=True,
    ):
        chosen = [r for r in rows if r["patches"] == title and r["prior"] != "true model"]
        values = [row[key] for row in chosen]
        axis.barh([row["prior"] for row in chosen], values, color="C0" if key == "gap" else "C1")
        for place, value in enumerate(values):
            axis.text(value, place, f" {value:.1f}", va="center", fontsize=8)
        axis.set(title=title, xlabel=label)
        axis.margins(x=0.15)
        axis.grid(axis="y", visible=False)
    axes[0].invert_yaxis()
    return drawn


def draw_patches_of(mini: Any) -> Any:
    """Photographs, the mini model and dead-leaves images, patches at one contrast."""
    drawn, axes = canvas(1, 4, size=(9.6, 2.7))
    sheets = {
        "photographs": patches("train", 200, seed=5)[:64],
        "mini dead leaves": mini.sample(64, 5),
        "dead-leaves images": leaves(64, 5),
    }
    for axis, (title, rows) in zip(axes, sheets.items(), strict=False):
        draw_patches(axis, rows, 8, limit=0.35)
        axis.set_title(title)
    axes[3].imshow(leaves_image(5, 128), cmap="gray", vmin=0, vmax=1)
    axes[3].set_title("a dead-leaves image")
    axes[3].set_axis_off()
    return drawn


def write(
    study: Study,
    likelihoods: list[dict[str, Any]],
    photographs: list[dict[str, Any]],
    *,
    n: int,
    photos: int,
    noisy: int,
    images: int,
) -> None:
    """Figures and page."""
    mini: Any = study.prior(MINI)
    gaps = {r["prior"]: r["gap"] for r in likelihoods if r["patches"] == TITLES[MINI]}
    del gaps["true model"]
    order = sorted(gaps, key=gaps.__getitem__)
    by = {(r["prior"], r["trained on"]): r for r in photographs}
    natural = by["Gaussian mixture", "photographs"]

    def against(title: str) -> str:
        row = by["Gaussian mixture", title]
        return f"{row['nats']:.1f} nats and {row['image psnr']:.2f} dB when trained on {title}"

    mixtures = [name for name in order if "mixture" in name]
    agree = order[: len(mixtures)] == mixtures
    sentences = (
        f"Of the samples of mini dead leaves, whose likelihood is known exactly, the {order[0]} "
        f"comes nearest ({gaps[order[0]]:.1f} nats below the truth), then "
        + ", ".join(f"{name} ({gaps[name]:.1f})" for name in order[1:])
        + ": "
        + (
            "mixtures of Gaussians and their kin are ahead of single bases and single scale "
            "mixtures, as in the 2012 paper. "
            if agree
            else "not the order of the 2012 paper, where mixtures are ahead. "
        )
        + "A Gaussian mixture that never saw a photograph is worth, as a prior of photographs, "
        + " and ".join(against(title) for title in TITLES.values())
        + f" (sigma {SIGMA}), against {natural['nats']:.1f} nats and "
        f"{natural['image psnr']:.2f} dB of the shipped one and "
        f"{by['Gaussian', 'photographs']['nats']:.1f} nats and "
        f"{by['Gaussian', 'photographs']['image psnr']:.2f} dB of a single Gaussian of photographs."
    )
    other = {r["prior"]: r["nats"] for r in likelihoods if r["patches"] == TITLES[LEAVES]}
    ranked = ", ".join(
        f"{name} ({other[name]:.1f})" for name in sorted(other, key=other.__getitem__, reverse=True)
    )
    scales = ", ".join(f"{s:.2g}" for s in np.sqrt(mini.scales))
    size = study.pick(2**20, 2**12)
    rate = study.cell("rate", MINI, size, compute=lambda: rates(mini, size))
    study.page(
        "Dead leaves",
        sentences,
        [
            "## The models",
            study.figure(
                "patches",
                draw_patches_of(mini),
                "Patches of photographs and of both models, mean removed. One gray scale for all: "
                "black and white are 0.35 from the mean.",
            ),
            f"Mini dead leaves (`fastepll.priors.MiniDeadLeaves`): {len(mini.masks) - 1} splits by "
            f"a line, textures of {len(mini.scales)} scales (deviations {scales} times the mean), "
            f"levels of deviation {np.sqrt(mini.level_variance[0]):.3f}, learnt on "
            f"{RECIPES[MINI].n} patches of bsds300/train, on which an edge has probability "
            f"{mini.metadata['p_edge']:.2f}. Its density is a mixture of "
            f"{len(mini.masks) * len(mini.scales) ** 2} Gaussians, summed exactly; it draws "
            f"{rate['1']:.2f} million patches a second with one thread and {rate['2']:.2f} with "
            "two. Dead-leaves images (`fastepll.priors.dead_leaves`): disks, "
            f"radii {IMAGES['r_min']:g} to {IMAGES['r_max']:g} with density r⁻³, grays of "
            "photographs, 256×256 pixels of "
            f"{IMAGES['supersample']}×{IMAGES['supersample']} points; rounded to 8 bits and "
            "dequantised like photographs.",
            "## Likelihood of dead leaves",
            study.figure(
                "gaps",
                draw_gaps(likelihoods),
                "Held-out log-likelihood. Left: nats below the true model, on its own samples. "
                "Right: of patches of dead-leaves images, where no true value is known.",
            ),
            f"{n} patches of each, in nats on the 63-dimension protocol; gap: true "
            "log-likelihood less the prior's, by patch, with its standard error. From high to "
            f"low on dead-leaves images: {ranked}.",
            table(
                likelihoods,
                {
                    "patches": "",
                    "prior": "",
                    "nats": ".2f",
                    "error": ".2f",
                    "gap": ".2f",
                    "gap error": ".2f",
                },
            ),
            "## As priors of photographs",
            f"Nats: {photos} patches of bsds300/test. PSNR in dB at sigma {SIGMA}: MAP of {noisy} "
            f"test patches; exact EPLL on the first {images} images of bsd68.",
            table(
                photographs,
                {
                    "prior": "",
                    "trained on": "",
                    "nats": ".2f",
                    "error": ".2f",
                    "patch psnr": ".2f",
                    "image psnr": ".2f",
                },
            ),
            "Training: " + "; ".join(f"{name}: {recipe}" for name, recipe in KINDS.items()) + ".",
        ],
    )


if __name__ == "__main__":
    main()
