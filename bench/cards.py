"""Write the card of every packaged model, ``docs/models/NAME.md``: ``python bench/cards.py``.

Facts come from the weight file, its metadata and ``bench/results/{priors,gap}.json``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tables import RESULTS, result, table
from versions import in_words

import fastepll
from fastepll.models import GaussianMixture, model_license, registry

CARDS = Path(__file__).parents[1] / "docs" / "models"
DATA = {
    "LicenseRef-BSDS-NonCommercial": (
        "Berkeley Segmentation Dataset (BSDS300), training split: 200 photographs of 481x321, "
        "JPEG. Its authors provide them for **non-commercial research and education**, and the "
        "weights are to be used likewise. The expression `LicenseRef-BSDS-NonCommercial` stands "
        "for that sentence; there is no other text of it.",
        "The photographs are of one collection, which the customary benchmarks are of too.",
    ),
    "BSD-3-Clause": (
        "Challenge on Learned Image Compression 2025: 41 photographs of about one megapixel, "
        "published under the Unsplash licence, free for any use, commercial too. The weights are "
        "under the licence of the code: **anyone may use them for anything**. No picture is part "
        "of the weights or of this repository.",
        "The photographs are few, clean, and out of focus in large parts; the table under "
        "[Two priors](../training.md#two-priors) says where that costs and where it gains.",
    ),
}


def likelihood(name: str, model: GaussianMixture) -> str:
    """What training said, and what it learnt of the photographs that it saw."""
    lines = [
        "Nats per patch at the end of training: "
        f"{model.metadata['train_log_likelihood']:.1f} on the training patches, "
        f"{model.metadata['held_out_log_likelihood']:.1f} on the photographs held out. "
        "Photographs differ by tens of nats among themselves."
    ]
    if (RESULTS / "gap.json").exists():
        rows = [row for row in result("gap")["rows"] if row["training of"] == name]
        columns = (
            "scored by",
            "seen",
            "same photographs",
            "held out",
            "seen - same",
            "same - held",
        )
        cells = [[row[column] for column in columns] for row in rows]
        if rows:
            lines += [
                "Patches seen in training, others of the same photographs, and photographs held "
                "out, beside what two other densities make of the same patches "
                "(`python bench/gap.py`):",
                table(columns, cells),
            ]
    return "\n\n".join(lines)


def figures(name: str, kind: str) -> str:
    """PSNR on every set, where `priors.py` measured the model."""
    if not (RESULTS / "priors.json").exists():
        return "Not measured."
    found = result("priors")
    rows = [
        [row["set"], row["images"], f"`{row['quality']}`", row["sigma"], f"{row['psnr'][name]:.2f}"]
        for row in found["rows"]
        if name in row["psnr"] and row["kind"] == kind
    ]
    return (
        table(["set", "images", "quality", "sigma", "PSNR, dB"], rows)
        + f"\n\n{in_words(found['machine'])}. Command: `python bench/priors.py`, which says what "
        + "the sets are."
    )


def card(name: str) -> str:
    """The page of one model."""
    model, terms = fastepll.load_model(name), model_license(name)
    file = Path(registry._WEIGHTS) / f"{name}.npz"
    data, limit = DATA[terms]
    facts = [
        ["licence", f"`{terms}`"],
        ["what", f"{model.k} zero-mean Gaussians over patches of {model.patch_shape}"],
        ["file", f"`fastepll/models/weights/{file.name}`, {file.stat().st_size / 1e6:.1f} MB"],
        ["SHA-256", f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`"],
        ["trained on", model.metadata["training_data"].partition(" images")[0] + " photographs"],
        ["held out", ", ".join(model.metadata["held_out_images"])],
        ["patches", f"{model.metadata['n_patches']:,} at a time"],
        ["seed", model.metadata["seed"]],
        ["steps", ", ".join(f"{n} {stage}" for stage, n in model.metadata["steps"].items())],
        ["versions", ", ".join(f"{k} {v}" for k, v in model.metadata["versions"].items())],
    ]
    return "\n\n".join(
        [
            f"# {name}",
            table(["", ""], facts),
            "## Data and licence",
            data,
            "## Likelihood",
            likelihood(name, model),
            "## Figures",
            figures(name, "gray" if len(model.patch_shape) == 2 else "colour"),
            "## To make it again",
            f"```sh\n{model.metadata['command']}\n```",
            "[Training the prior](../training.md) says what the settings do. The same command "
            "gives the same bits on the same machine and library versions.",
            "## Limits",
            limit + " A mixture of Gaussians over patches of this size invents no structure, and "
            "networks restore photographs about 0.4 dB better. Its likelihood is of patches "
            "without their mean, of 8-bit intensities with one level of uniform noise.",
        ]
    )


def main() -> None:
    CARDS.mkdir(exist_ok=True)
    for name in fastepll.list_models():
        (CARDS / f"{name}.md").write_text(card(name) + "\n")
        print(CARDS / f"{name}.md")


if __name__ == "__main__":
    main()
