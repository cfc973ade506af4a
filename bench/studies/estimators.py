"""Estimators of the mixture, on patches and in EPLL: ``python bench/studies/estimators.py``.

Posterior mean (BLS), the hard-assignment MAP of the 2011 paper, and maxima of the exact posterior
density that `fastepll.priors.map_iteration` climbs to from three starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Study, Values, canvas, table
from measures import epll, noisy_patches, patch_psnr, patches
from recipes import SHIPPED

from fastepll.priors.map_iteration import iterate_map, log_posterior
from fastepll.solver.settings import BETAS, Settings

SIGMAS = (5, 10, 15, 25, 50, 75, 100)
NAMES = {
    "mean": "posterior mean",
    "map": "hard MAP (2011)",
    "from map": "iterated from hard MAP",
    "from noisy": "iterated from noisy",
    "from flat": "iterated from flat",
    "best": "best of the three",
}


def on_patches(model: Any, sigma: float, n: int) -> Values:
    """PSNR and mean log posterior of each estimator, and the paired gain of the mean over MAP."""
    clean = patches("test", n, dequantise=False)
    noisy = noisy_patches(clean, sigma)
    y, level = noisy - noisy.mean(axis=1, keepdims=True), sigma / 255
    found = {"mean": model.posterior_mean(y, level), "map": model.map_estimate(y, level)}
    for name, start in (("map", found["map"]), ("noisy", y), ("flat", np.zeros_like(y))):
        found[f"from {name}"] = iterate_map(model, y, level, start=start)
    reached = {name: log_posterior(model, z, y, level) for name, z in found.items()}
    climbed = [name for name in found if name.startswith("from")]
    best = np.argmax([reached[name] for name in climbed], axis=0)
    found["best"] = np.array([found[name] for name in climbed])[best, np.arange(n)]
    reached["best"] = log_posterior(model, found["best"], y, level)
    values = {f"psnr {name}": patch_psnr(z, clean, noisy) for name, z in found.items()}
    values |= {f"nats {name}": value.mean() for name, value in reached.items()}
    values["noisy"] = -20 * np.log10(level)
    return values


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("estimators", __doc__, argv)
    model = study.prior(SHIPPED)
    n, images, crop = study.pick(5000, 100), study.pick(6, 1), study.pick(0, 64)
    rows: list[dict[str, Any]] = []
    for sigma in study.pick(SIGMAS, (5, 25)):
        values = study.cell(
            "patches", SHIPPED, sigma, n, compute=lambda sigma=sigma: on_patches(model, sigma, n)
        )
        for key, name in NAMES.items():
            psnr, nats = values[f"psnr {key}"], values[f"nats {key}"]
            rows.append(
                {
                    "sigma": sigma,
                    "estimator": name,
                    "patch psnr": psnr,
                    "log posterior": nats,
                    "noisy psnr": values["noisy"],
                }
            )
    image_rows = []
    for sigma in (15, 25, 50):
        for estimator in ("map", "mean"):
            of_passes = {"map": "map", "mean": "top_mean"}[estimator]
            settings = Settings.from_betas(BETAS, estimator=of_passes)

            def one(i: int, sigma: float = sigma, settings: Settings = settings) -> Values:
                return {"psnr": epll(model, i, sigma, settings=settings, crop=crop)}

            each = [
                study.cell(
                    "epll", SHIPPED, sigma, estimator, i, crop, compute=lambda i=i, one=one: one(i)
                )["psnr"]
                for i in range(images)
            ]
            name = NAMES[estimator]
            row = {"sigma": sigma, "estimator": name, "image psnr": float(np.mean(each))}
            image_rows.append(row | {"images": images})
    study.csv([*rows, *image_rows])
    write(study, rows, image_rows, n)


def write(
    study: Study, rows: list[dict[str, Any]], image_rows: list[dict[str, Any]], n: int
) -> None:
    """Figure and page."""
    sigmas = sorted({row["sigma"] for row in rows})
    psnr = {(row["sigma"], row["estimator"]): row["patch psnr"] for row in rows}
    nats = {(row["sigma"], row["estimator"]): row["log posterior"] for row in rows}
    mean, hard, best = NAMES["mean"], NAMES["map"], NAMES["best"]
    drawn, axes = canvas(1, 2, size=(8.6, 3.9))
    for name in NAMES.values():
        if name != mean:
            gain = [psnr[s, name] - psnr[s, mean] for s in sigmas]
            axes[0].plot(sigmas, gain, "o-", label=name)
        axes[1].plot(sigmas, [nats[s, name] for s in sigmas], "o-", label=name)
    axes[0].axhline(0, color="0.3", linewidth=1)
    axes[0].set(xlabel="sigma of the noise (of 255)", ylabel="patch PSNR beyond the mean's (dB)")
    axes[1].set(xlabel="sigma of the noise (of 255)", ylabel="log posterior density (nats)")
    colours = {line.get_label(): line.get_color() for line in axes[0].lines}
    for line in axes[1].lines:
        line.set_color(colours.get(line.get_label(), "0.3"))
    drawn.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure = study.figure(
        "curves",
        drawn,
        "Patch PSNR of each estimator minus that of the posterior mean, and the log posterior "
        "density that each reaches, a mean over the patches.",
    )
    gains = [
        psnr[s, mean] - max(psnr[s, name] for s_, name in psnr if s_ == s and name != mean)
        for s in sigmas
    ]
    loss = [psnr[s, hard] - psnr[s, best] for s in sigmas]
    climb = [nats[s, best] - nats[s, hard] for s in sigmas]
    images = {(r["sigma"], r["estimator"]): r["image psnr"] for r in image_rows}
    change = [images[s, mean] - images[s, hard] for s in (15, 25, 50)]
    always = "at every sigma" if min(gains) >= 0 else "not at every sigma"
    sentences = (
        f"The posterior mean denoises patches best {always}, by {min(gains):.2f} to "
        f"{max(gains):.2f} dB over the next, as estimation theory demands; among MAP estimates the "
        "one-component rule of the 2011 paper, an approximation, is far better than the highest "
        f"maximum found of the exact posterior density, which has {min(climb):.0f} to "
        f"{max(climb):.0f} nats more of it and {min(loss):.2f} to {max(loss):.2f} dB less. "
        "In EPLL on images, whose schedule of betas was made for that rule, the posterior mean "
        f"changes the PSNR by {', '.join(f'{c:+.2f}' for c in change)} dB at sigma 15, 25, 50: the "
        "paper's choice costs images next to nothing."
    )
    wide = [{"sigma": s} | {name: psnr[s, name] for name in NAMES.values()} for s in sigmas]
    wide_nats = [{"sigma": s} | {name: nats[s, name] for name in NAMES.values()} for s in sigmas]
    columns = {"sigma": "g"} | dict.fromkeys(NAMES.values(), ".2f")
    study.page(
        "Estimators: posterior mean, hard MAP, MAP by iterating",
        sentences,
        [
            f"PSNR in dB of {n} patches of bsds300/test (8x8, noise on the whole patch; the mean "
            "of the noisy patch is removed and put back). Prior: the shipped mixture of 200.",
            table(wide, columns),
            "Mean log posterior density of the estimate, log p(z | y) in nats, normalised:",
            table(wide_nats, {"sigma": "g"} | dict.fromkeys(NAMES.values(), ".1f")),
            figure,
            "The hard rule chooses a component under the noise, that is by the evidence of the "
            "noisy patch, and is not a maximum of the density. The density itself is highest where "
            "a patch is nearly flat, for flat components are narrow: its maxima take more off than "
            "the noise. Three starts of the climb (the hard estimate, the noisy patch, the flat "
            "patch) end on different maxima; the best of them is a lower bound of the true one.",
            f"EPLL on the first {image_rows[0]['images']} images of bsd68, the exact method with "
            "each estimator (the mean is over the best four components):",
            table(image_rows, {"sigma": "g", "estimator": "", "image psnr": ".2f"}),
        ],
    )


if __name__ == "__main__":
    main()
