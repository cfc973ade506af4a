"""``fastepll train``: the options and what they call (torch is imported when it runs)."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from fastepll.train.options import TrainOptions

__all__ = ["add_arguments", "run"]

HELP = {
    "n_components": "components of the mixture",
    "patch_shape": "rows and columns of a patch, and 3 for one of red, green and blue",
    "n_patches": "patches sampled from the folder",
    "shrink": "factor by which images are made smaller before patches are cut",
    "detail": "gray levels of deviation below which patches are drawn less often (0: none are)",
    "holdout": "images kept out for the held-out likelihood",
    "flips": "mirror patches at random",
    "warm_steps": "mini-batch steps before the full passes",
    "batch": "patches of a mini-batch",
    "iterations": "passes over all patches as 8-bit values",
    "patience": "held-out likelihoods without a rise that end these passes (0: none do)",
    "finish": "last passes over the dequantised patches",
    "refresh": "passes between two searches for candidate components",
    "floor": "standard deviation added to 8-bit patches, in gray levels",
    "margin": "nats below the best within which a component is a candidate",
    "drop": "responsibility below which a moment leaves a patch out",
    "min_weight": "weight below which a component is re-seeded",
    "prior_weight": "patches that the prior of correlations counts for",
    "redraw": "warm steps after which other patches are drawn (0: never)",
    "sigma": "deviation of white noise of the images, of intensities in [0, 1]",
    "seed": "seed of everything random",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training run to `parser`."""
    parser.add_argument("folder", help="folder of images")
    parser.add_argument("out", help="model file to write (.npz)")
    for field in fields(TrainOptions):
        flag, default = "--" + field.name.replace("_", "-"), field.default
        text = f"{HELP[field.name]} (default %(default)s)"
        if isinstance(default, bool):
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=default, help=text
            )
        elif isinstance(default, tuple):
            parser.add_argument(flag, type=int, nargs="+", metavar="P", default=default, help=text)
        else:
            parser.add_argument(flag, type=type(default), metavar="N", default=default, help=text)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--checkpoint", help="file to save the state of the run in (.npz)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--history", help="csv file for log-likelihood against steps")
    parser.add_argument("--note", help="origin and licence of the images, kept in the model")
    parser.add_argument("--license", help="SPDX expression of the model, kept in it")
    parser.add_argument(
        "--precision",
        choices=("float32", "float64", "int16"),
        default="float32",
        help="of OUT, see GaussianMixture.save (default %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Train and save; returns the exit code 0."""
    from fastepll.train.api import train_mixture

    out = Path(args.out)
    if out.suffix.lower() != ".npz":
        raise ValueError(f"out must end in .npz, got {args.out!r}")
    if out.exists() and not args.overwrite:
        raise ValueError(f"out must be a new file, {args.out!r} exists (see --overwrite)")
    settings = {field.name: getattr(args, field.name) for field in fields(TrainOptions)}
    settings["patch_shape"] = tuple(settings["patch_shape"])
    model = train_mixture(
        args.folder,
        device=args.device,
        checkpoint=args.checkpoint,
        resume=args.resume,
        history=args.history,
        progress=not args.quiet,
        note=args.note,
        license=args.license,
        **settings,
    )
    model.save(out, overwrite=args.overwrite, precision=args.precision)
    print(f"{out}: {model}")
    for name in ("train_log_likelihood", "held_out_log_likelihood", "min_weight"):
        print(f"  {name}: {model.metadata[name]}")
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="fastepll train", description=__doc__)
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))
