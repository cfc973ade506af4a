"""Does a prior of higher likelihood restore better? ``python bench/studies/likelihood.py``.

Every prior of the two papers and two that came after: log-likelihood on test patches, PSNR of
patches and of whole images that it denoises, and how these go together.

    python bench/studies/likelihood.py --prior my_prior.py:Spectrum  # beside those known
"""

from __future__ import annotations

import hashlib
import json
import runpy
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, Study, Values, canvas, table
from measures import Patches, denoised_patch_psnr, epll, log_likelihood, patches, protocol_nats
from recipes import RECIPES, SHIPPED

import fastepll
from fastepll.priors import PatchPrior
from fastepll.solver.settings import EXACT, Settings

SIGMAS = (15, 25, 50)
PAPERS = (
    "independent-pixels",
    "gaussian",
    "pca-gaussian",
    "pca-laplace",
    "pca-scale-mixture",
    "ica",
    "sparse-coding",
    "gsm",
    "gsm-mixture",
    "karklin-lewicki",
    "mixture",
)
LATER = ("student-t-mixture", "generalised-gaussian-mixture")
IMAGES = (0, 14, 28, 42, 56)
CROP = 192  # of their middle, pixels a side
SPARSE = Settings.from_betas((1, 4, 8, 16, 32), stride=4)
"""The published schedule on every fourth patch of a grid that moves: the same for all priors."""
REFERENCES = (SHIPPED, "ica", "gsm")
ANNEALED = {
    "sparse-coding": {"patches": 100, "n_chains": 6, "n_steps": 1600},
    "karklin-lewicki": {"patches": 100, "n_chains": 6, "n_steps": 800},
}
"""Patches, chains and steps of annealed importance sampling."""
MOST = 200  # components up to which all images are restored from all patches
FIGURES = Path(fastepll.__file__).parent / "priors" / "figures.json"


FAMILIES = (
    PAPERS[:1],
    ("gaussian", "pca-gaussian"),
    ("pca-laplace", "pca-scale-mixture", "ica", "sparse-coding"),
    ("gsm", "gsm-mixture", "karklin-lewicki"),
    ("mixture",),
)
"""From low to high in Zoran & Weiss (2011, 2012)."""
ORDER = (
    "Zoran & Weiss (2011, 2012) have independent pixels below the Gaussian, it below PCA, ICA and "
    "sparse coding with heavy tails, these below scale mixtures and the model of Karklin & "
    "Lewicki, and the mixture above all."
)
NOTES = (
    "*nats* is the mean log-likelihood on the 63-dimension protocol of `bench/README.md`; *error* "
    "the standard error of an estimate by annealed importance sampling, made on few patches and "
    "compared on the same ones with that of the mixture, ICA and the scale mixture which it goes "
    "with best; *annealing* is the part of the error that comes from the sampling, and *quarter* "
    "what a quarter of the steps gives in excess (estimates are lower bounds); *stored* the mean "
    "log-likelihood of patches as they are stored, in 63 orthonormal coordinates on [0, 1] without "
    "dequantisation, which is the scale of the 2011 paper (its priors were also fitted to such "
    "patches; these were not; some stored patches are exactly flat, where the densities of Karklin "
    "& Lewicki and of the Student-t mixture are as high as their contrasts go low, so that column "
    f"says little of these two). *image*: mean PSNR in dB over the middle {CROP}×{CROP} pixels of "
    f"images {', '.join(map(str, IMAGES))} of `bsd68`, EPLL with the published schedule on every "
    "fourth patch of a grid that moves, alike for all priors; *bsd68*: all 68 images, every patch, "
    "for those that are Gaussian mixtures of few components."
)
NATS = ("nats", "error", "annealing", "quarter", "stored")
CAPTION = "PSNR against log-likelihood, sigma {}. Squares: priors later than the papers."


def own_prior(text: str) -> PatchPrior:
    """The prior that FILE.py:NAME makes."""
    path, _, name = text.rpartition(":")
    prior: PatchPrior = runpy.run_path(path)[name]()
    return prior


def likelihoods(name: str, prior: PatchPrior, study: Study) -> Values:
    """Nats on the protocol and on patches as stored."""
    n = study.pick(100_000, 200)
    stored = patches("test", n, dequantise=False)
    if name not in ANNEALED:
        nats = log_likelihood(prior, "test", n)["nats"]
        return {"nats": nats, "stored": prior.log_prob(stored).mean()}
    clean, annealed = patches("test", n), ANNEALED[name]
    few = np.random.default_rng(0).choice(n, study.pick(annealed["patches"], 4), replace=False)
    steps = study.pick(annealed["n_steps"], 8)

    def estimate(rows: Patches, n_steps: int) -> tuple[Patches, Patches]:
        able: Any = prior
        found: tuple[Patches, Patches] = able.estimate_log_prob(
            rows[few], n_chains=annealed["n_chains"], n_steps=n_steps
        )
        return found

    found, error = estimate(clean, steps)
    gaps = {other: found - study.prior(other).log_prob(clean[few]) for other in REFERENCES}
    best = min(REFERENCES, key=lambda other: gaps[other].var())
    rough, _ = estimate(clean, steps // 4)
    nats = gaps[best].mean() + study.prior(best).log_prob(clean).mean()
    return {
        "nats": protocol_nats(nats),
        "stored": nats + np.mean(estimate(stored, steps // 4)[0] - rough),
        "error": gaps[best].std(ddof=1) / np.sqrt(len(few)),
        "annealing": np.sqrt(np.sum(error**2)) / len(few),
        "quarter": np.mean(rough - found),
    }


def image_psnr(
    study: Study, name: str, prior: PatchPrior, sigma: float, images: Sequence[int], **options: Any
) -> float:
    """Mean over images of the PSNR that EPLL reaches, in dB; a cell for each."""
    stride = options.get("settings", EXACT).stride
    values = [
        study.cell(
            *("image", name, i, sigma, f"stride {stride}", options.get("crop", 0)),
            compute=lambda i=i: {"dB": epll(prior, i, sigma, **options)},
        )["dB"]
        for i in images
    ]
    return float(np.mean(values))


def patch_values(prior: PatchPrior, sigma: float, n: int, estimator: str) -> Values:
    """PSNR of patches; none if the prior has no such estimator."""
    try:
        return {"dB": denoised_patch_psnr(prior, sigma, n, estimator=estimator)}
    except ValueError as error:
        if not str(error).startswith("estimator must be"):
            raise
        return {"dB": np.nan}


def examine(name: str, prior: PatchPrior, study: Study) -> dict[str, Any]:
    """All that is measured of a prior."""
    row: dict[str, Any] = {"prior": name}
    row |= study.cell("likelihood", name, compute=lambda: likelihoods(name, prior, study))
    few, images = study.pick(1000, 100), study.pick(IMAGES, IMAGES[:1])
    for sigma in SIGMAS:
        for estimator in ("map", "mean"):
            found = study.cell(
                *("patches", name, estimator, sigma, few),
                compute=lambda s=sigma, e=estimator: patch_values(prior, s, few, e),
            )
            row[f"patch {estimator} {sigma}"] = found["dB"]
        row[f"image {sigma}"] = image_psnr(
            study, name, prior, sigma, images, settings=SPARSE, crop=study.pick(CROP, 48)
        )
        mixture = getattr(prior, "mixture", prior)
        if isinstance(mixture, fastepll.GaussianMixture) and mixture.k <= MOST and not study.quick:
            row[f"bsd68 {sigma}"] = image_psnr(study, name, prior, sigma, range(68))
    return row


def correlations(rows: Sequence[Row]) -> list[Row]:
    """Linear and rank correlation of the log-likelihood with every PSNR."""
    from scipy.stats import pearsonr, spearmanr

    result = []
    for sigma in SIGMAS:
        row: dict[str, Any] = {"sigma": sigma}
        for column in (f"patch map {sigma}", f"patch mean {sigma}", f"image {sigma}"):
            pairs = [(each["nats"], each[column]) for each in rows if np.isfinite(each[column])]
            nats, dB = zip(*pairs, strict=True)
            what = column.rpartition(" ")[0]
            row[f"{what}, linear"] = float(pearsonr(nats, dB)[0])
            row[f"{what}, rank"] = float(spearmanr(nats, dB)[0])
        result.append(row)
    return result


def scatter(rows: Sequence[Row], sigma: float) -> Any:
    """PSNR of patches and images against the log-likelihood."""
    figure, axes = canvas(1, 2, size=(9.6, 4.0))
    for axis, column, title in (
        (axes[0], f"patch mean {sigma}", "patches, posterior mean"),
        (axes[1], f"image {sigma}", "images, EPLL"),
    ):
        for i, row in enumerate(rows):
            mark = "s" if row["prior"] in LATER else "ovD"[i % 3]
            style = {"color": f"C{i % 10}", "markersize": 7, "alpha": 0.8, "linestyle": ""}
            axis.plot(row["nats"], row[column], mark, label=row["prior"], **style)
        axis.set(
            xlabel="log-likelihood (nats per patch)",
            ylabel=f"PSNR at sigma {sigma} (dB)",
            title=title,
        )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    return figure


def write_figures(rows: Sequence[Row]) -> None:
    """What ``fastepll priors`` prints."""
    priors = {
        row["prior"]: {
            "log_likelihood": round(row["nats"], 2),
            "error": round(row["error"], 2) if "error" in row else None,
            "patch_psnr": {str(s): round(row[f"patch mean {s}"], 2) for s in SIGMAS},
            "image_psnr": {str(s): round(row[f"image {s}"], 2) for s in SIGMAS},
        }
        for row in rows
    }
    protocol = "63 dimensions, bsds300/test; python bench/studies/likelihood.py"
    FIGURES.write_text(json.dumps({"protocol": protocol, "priors": priors}, indent=1) + "\n")


def inversions(rows: Sequence[Row]) -> list[str]:
    """Where the order of the families is not that of the papers, by likelihood or on images."""
    place = {name: i for i, family in enumerate(FAMILIES) for name in family}
    found = []
    for column, what, unit in (("nats", "likelihood", "nats"), ("image 25", "images", "dB")):
        for low in rows:
            for high in rows:
                one, two = place.get(low["prior"]), place.get(high["prior"])
                if None not in (one, two) and one < two and low[column] > high[column]:
                    gap = low[column] - high[column]
                    found.append(
                        f"{low['prior']} above {high['prior']} by {gap:.2f} {unit} ({what})"
                    )
    return found


def write_page(study: Study, rows: Sequence[Row]) -> None:
    """Tables, figures and what they say."""
    ours = [row for row in rows if row["prior"] in PAPERS]
    at25 = correlations(ours)[SIGMAS.index(25)]
    best = {
        what: max(ours, key=lambda row: row[column])["prior"]
        for what, column in (
            ("likelihood", "nats"),
            ("patches", "patch mean 25"),
            ("images", "image 25"),
        )
    }
    agrees = set(best.values()) == {"mixture"} and min(at25[k] for k in at25 if k != "sigma") > 0.8
    sentences = (
        f"Over the {len(ours)} priors of the papers the log-likelihood goes with the PSNR of "
        "patches (posterior mean at sigma 25: linear correlation "
        f"{at25['patch mean, linear']:.3f}, rank {at25['patch mean, rank']:.3f}) and of the "
        f"middle of images ({at25['image, linear']:.3f} and {at25['image, rank']:.3f}). That "
        f"{'agrees' if agrees else 'does not quite agree'} with Zoran & Weiss (2011), who found "
        "both to go together and the mixture best: best of these by likelihood is "
        f"{best['likelihood']}, on patches {best['patches']}, on images {best['images']}."
    )
    psnr = {f"{what} {sigma}": ".2f" for what in ("image", "bsd68") for sigma in SIGMAS}
    patch = {f"patch {e} {sigma}": ".2f" for sigma in SIGMAS for e in ("map", "mean")}
    shown = [
        {k: v if isinstance(v, str) or np.isfinite(v) else None for k, v in row.items()}
        for row in rows
    ]
    found = inversions(rows)
    study.page(
        "Does a prior of higher likelihood restore better?",
        sentences,
        [
            "## Likelihood and restoration",
            table(shown, {"prior": "", **dict.fromkeys(NATS, ".2f")} | psnr),
            NOTES,
            "Patches, PSNR in dB:",
            table(shown, {"prior": ""} | patch),
            "## Correlation with the log-likelihood",
            "Of the papers' priors:",
            table(correlations(ours), dict.fromkeys(at25, ".3f") | {"sigma": "d"}),
            "Of all:",
            table(correlations(rows), dict.fromkeys(at25, ".3f") | {"sigma": "d"}),
            *(study.figure(f"{s}", scatter(rows, s), CAPTION.format(s)) for s in SIGMAS),
            "## The order of the papers",
            ORDER + (" Inversions: " + "; ".join(found) + "." if found else " None is inverted."),
            "## How they were trained",
            "\n".join(f"- {name}: {RECIPES[name]}" for name in (*PAPERS, *LATER)),
        ],
    )


def main(argv: Sequence[str] | None = None) -> int:
    def add(parser: ArgumentParser) -> None:
        parser.add_argument("--prior", metavar="FILE.py:NAME", help="a prior of your own")

    study = Study("likelihood", __doc__, argv, options=add)
    rows = [examine(name, study.prior(name), study) for name in (*PAPERS, *LATER)]
    if study.arguments.prior:
        digest = hashlib.sha256(Path(study.arguments.prior.rpartition(":")[0]).read_bytes())
        name = f"{study.arguments.prior} {digest.hexdigest()[:6]}"
        rows.append(examine(name, own_prior(study.arguments.prior), study))
        study.pages = study.results = study.work / "own"
    rows.sort(key=lambda row: row["nats"])
    study.csv(rows)
    write_page(study, rows)
    if not study.quick and not study.arguments.prior:
        write_figures(rows)
    return 0


if __name__ == "__main__":
    main()
