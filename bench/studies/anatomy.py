"""What the components of the mixture are: ``python bench/studies/anatomy.py``.

Contrast (one shape at different scales, a Gaussian scale mixture), textures, boundaries by
orientation and offset; a Gaussian scale mixture of as many components is the control.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from harness import Study, canvas, draw_patches, table
from measures import log_likelihood
from recipes import RECIPES, SHIPPED
from shapes import ANGLES, LEADING, SAME_SHAPE, STEP, Anatomy, anatomy

CONTROL = "gsm-200"
SMALL = (2, 5, 10, 20)
HEAVIEST = (5, 10, 20, 50)
SHOWN, COLUMNS = 6, 12  # components and eigenvectors in a figure
COLOURS = {"contrast": "C0", "texture": "C2", "boundary": "C3"}


def main(argv: Sequence[str] | None = None) -> None:
    study = Study("anatomy", __doc__, argv)
    control: Any = study.prior(CONTROL)
    whole: Any = study.prior(SHIPPED)
    found = anatomy(whole, control.covariance)
    kinds = found.kinds()
    small = {
        k: anatomy(study.prior(f"mixture-{k}"), control.covariance)  # type: ignore[arg-type]
        for k in study.pick(SMALL, (2,))
    }
    n = study.pick(100_000, 1000)
    nats = {
        name: study.cell(
            "nats", name, n, compute=lambda name=name: log_likelihood(study.prior(name), "test", n)
        )["nats"]
        for name in ("gaussian", CONTROL, SHIPPED)
    }
    components = [
        {
            "rank": i + 1,
            "kind": kinds[i],
            **{name: getattr(found, name)[i] for name in Anatomy._fields[:8]},
        }
        for i in range(len(kinds))
    ]
    study.csv(components)

    sets = []

    def add(name: str, of: Anatomy, members: Any) -> None:
        w = of.weight[members]
        sets.append(
            {
                "components": name,
                "number": len(w),
                "weight": w.sum(),
                "contrast from": of.contrast[members].min(),
                "to": of.contrast[members].max(),
                "shape distance": w @ of.distance[members] / w.sum(),
                "share of contrast": of.contrast_share(members),
            }
        )

    for k, of in small.items():
        add(f"mixture of {k}", of, slice(None))
    for count in HEAVIEST:
        add(f"{count} heaviest of 200", found, slice(count))
    add("all of 200", found, slice(None))
    for kind in COLOURS:
        if (kinds == kind).any():
            add(f"{kind}, of 200", found, kinds == kind)
    write(study, found, control, small=small, sets=sets, nats=nats)


def spectra(found: Anatomy, control: Any) -> Any:
    """Spectra, the same over their scale, and the distance of all shapes from the control's."""
    drawn, axes = canvas(1, 3, size=(9.6, 3.3))
    index = np.arange(1, 64)
    shades = np.linspace(0, 0.85, 10)
    for i, colour in enumerate(mpl.colormaps["viridis"](shades)):
        deviations = 255 * np.sqrt(found.values[i])
        axes[0].semilogy(index, deviations, color=colour, linewidth=1.1)
        axes[1].semilogy(index, deviations / found.contrast[i], color=colour, linewidth=1.1)
    shape = np.sqrt(np.linalg.eigvalsh(control.covariance)[::-1])
    shape /= np.exp(np.log(shape).mean())
    axes[1].semilogy(index, shape, "k--", linewidth=1.8, label="Gaussian scale mixture")
    axes[0].set(xlabel="eigenvector", ylabel="standard deviation (gray levels)")
    axes[0].set_title("10 heaviest components", fontsize=9)
    axes[1].set(xlabel="eigenvector", ylabel="standard deviation / contrast")
    axes[1].set_title("the same, each over its contrast", fontsize=9)
    axes[1].legend(fontsize=7.5)
    for kind, colour in COLOURS.items():
        members = found.kinds() == kind
        axes[2].scatter(
            found.contrast[members],
            found.distance[members],
            s=2000 * found.weight[members],
            color=colour,
            alpha=0.6,
            linewidths=0,
            label=kind,
        )
    axes[2].set_xscale("log")
    axes[2].set(xlabel="contrast (gray levels)", ylabel="shape distance (log variance)")
    axes[2].set_title("all; area: weight", fontsize=9)
    legend = axes[2].legend(fontsize=7.5)
    for handle in legend.legend_handles:
        handle.set_sizes([25])
    return drawn


def strips(found: Anatomy, groups: dict[str, np.ndarray]) -> Any:
    """First eigenvectors of components, a row each, in groups."""
    drawn, axes = canvas(1, len(groups), size=(4.4 * len(groups), 2.75))
    for axis, (title, members) in zip(np.atleast_1d(axes), groups.items(), strict=True):
        rows = np.concatenate([found.vectors[i][:, :COLUMNS].T for i in members])
        draw_patches(axis, rows, COLUMNS)
        axis.set_title(title, fontsize=9)
        for j, i in enumerate(members):
            label = f"{found.contrast[i]:.1f}"
            axis.text(-1.5, 9 * j + 3.5, label, ha="right", va="center", fontsize=7)
    return drawn


def boundaries(found: Anatomy) -> Any:
    """Orientation and offset of all boundaries, and their first eigenvectors in that order."""
    members = np.flatnonzero(found.kinds() == "boundary")
    members = members[np.lexsort((found.offset[members], found.angle[members]))]
    drawn, axes = canvas(1, 2, size=(8.8, 3.3), gridspec_kw={"width_ratios": (1.15, 1)})
    axes[0].scatter(
        found.angle[members],
        found.offset[members],
        s=2e4 * found.weight[members],
        color=COLOURS["boundary"],
        alpha=0.5,
        linewidths=0,
    )
    axes[0].set(xlabel="orientation of the normal (degrees)", ylabel="offset (pixels)")
    axes[0].set(xlim=(-10, 180), xticks=range(0, 181, 45), ylim=(-4, 4))
    draw_patches(axes[1], found.vectors[members, :, 0], 8)
    axes[1].set_title("first eigenvectors, by orientation and offset", fontsize=9)
    return drawn


def write(
    study: Study,
    found: Anatomy,
    control: Any,
    *,
    small: dict[int, Anatomy],
    sets: list[dict[str, Any]],
    nats: dict[str, float],
) -> None:
    """Figures and page."""
    kinds = found.kinds()
    texture = np.flatnonzero(kinds == "texture")
    groups = {
        "heaviest: like shapes, other contrasts": np.flatnonzero(kinds == "contrast")[:SHOWN],
        "textures of one orientation": texture[np.argsort(-found.coherence[texture])][:SHOWN],
        "boundaries": np.flatnonzero(kinds == "boundary")[:SHOWN],
    }
    figures = [
        study.figure(
            "spectra",
            spectra(found, control),
            "Square roots of the eigenvalues of the ten heaviest components, the same over their "
            "geometric mean (the contrast), and contrast and shape of all components. "
            "Dashed: the one shape of the Gaussian scale mixture.",
        ),
        study.figure(
            "eigenvectors",
            strips(found, groups),
            "First eigenvectors, a component a row. The number is the contrast in gray levels.",
        ),
        study.figure(
            "boundaries",
            boundaries(found),
            "Components that are boundaries: orientation and offset of the nearest step edge, and "
            "the first eigenvector of each. Area: weight.",
        ),
    ]
    by_name = {row["components"]: row for row in sets}
    heavy = by_name["20 heaviest of 200"]
    gain, contrast = (nats[name] - nats["gaussian"] for name in (SHIPPED, CONTROL))
    edge = kinds == "boundary"
    two = small[2]
    sentences = (
        "Contrast comes first: in a mixture of 2 it explains "
        f"{100 * two.contrast_share():.0f} % of how the log-covariances vary, among the 20 "
        "heaviest components of 200 "
        f"{100 * heavy['share of contrast']:.0f} %, and a Gaussian scale mixture, one shape at 200 "
        f"scales, has {contrast:.1f} of the {gain:.1f} nats that the mixture gains over one "
        f"Gaussian ({nats['gaussian']:.1f}, {nats[CONTROL]:.1f}, {nats[SHIPPED]:.1f}). "
        "The rest comes from shapes that scale does not make, as the 2012 paper says: "
        f"{(kinds == 'texture').sum()} textures and {edge.sum()} boundaries "
        f"({100 * found.weight[edge].sum():.0f} % of the patches) of "
        f"{len(set(found.angle[edge]))} of {len(ANGLES)} orientations at offsets from "
        f"{found.offset[edge].min():+.1f} to {found.offset[edge].max():+.1f} pixels."
    )
    study.page(
        "What the components are",
        sentences,
        [
            "*Contrast* of a component: the geometric mean of its standard deviations, in gray "
            "levels. *Shape distance*: root mean square, over all directions, of the log ratio of "
            "its variance to that of the Gaussian scale mixture, after the best scale; 0 is the "
            "same shape. *Share of contrast*: weighted variance of the mean log variance, over "
            "that plus the mean squared shape distance; 1 for any Gaussian scale mixture.",
            table(
                sets,
                {
                    "components": "",
                    "number": "d",
                    "weight": ".3f",
                    "contrast from": ".1f",
                    "to": ".1f",
                    "shape distance": ".2f",
                    "share of contrast": ".2f",
                },
            ),
            "The shapes of the heaviest components are alike, not the same: a distance of "
            f"{heavy['shape distance']:.2f} is a typical factor of "
            f"{np.exp(heavy['shape distance']):.1f} between variances along one direction, where "
            "contrast makes one of "
            f"{(heavy['to'] / heavy['contrast from']) ** 2:.0f} between all of them. The five "
            "heaviest have so similar a contrast that little is left for it to explain.",
            f"Of the shipped mixture a component is called *boundary* if its first eigenvector has "
            f"at least {LEADING:.0%} of its variance and a correlation of at least {STEP} with a "
            f"step edge, *contrast* if its shape distance is below {SAME_SHAPE}, *texture* "
            "otherwise; the lines between them are ours, the components lie densely on both "
            "sides.",
            *figures,
            f"Log-likelihoods in nats on the 63-dimension protocol. The control: "
            f"{RECIPES[CONTROL]}.",
        ],
    )


if __name__ == "__main__":
    main()
