"""The command line: fastepll denoise, deblur, inpaint, super-resolve, demo, train, study, ..."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

import fastepll
from fastepll.cli import demo, laboratory, tasks
from fastepll.cli.batch import MISTAKES, describe, run_batch
from fastepll.cli.pictures import PictureError
from fastepll.cli.say import fail
from fastepll.models import model_license
from fastepll.train import command
from fastepll.typing import BackendName, Quality


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 2 for a mistake of the user, 130 after Ctrl-C."""
    try:
        arguments = build_parser().parse_args(argv)
        code = arguments.run(arguments)
    except MISTAKES as error:
        return fail(describe(error))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return int(code or 0)


def build_parser() -> argparse.ArgumentParser:
    """Parser of all commands."""
    parser = argparse.ArgumentParser("fastepll", description=fastepll.__doc__)
    parser.add_argument("--version", action="version", version=fastepll.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    restoring = []
    for task in tasks.TASKS:
        one = commands.add_parser(task.name, help=task.help, description=task.description)
        add_files(one)
        task.add_arguments(one)
        one.set_defaults(run=run_task, task=task)
        restoring.append(one)
    showing = commands.add_parser("demo", help="add noise to a photograph and restore it")
    demo.add_arguments(showing)
    showing.set_defaults(run=demo.run)

    for one in (*restoring, showing):
        add = one.add_argument
        add("--model", default="gray-8x8-200", help="name or file of the prior (%(default)s)")
        add("--quality", choices=get_args(Quality), default="balanced", help="(%(default)s)")
        add("--backend", choices=get_args(BackendName), help="(the fastest installed)")
        add("--threads", type=int, metavar="N", help="(all processors)")

    training = commands.add_parser("train", help="train a prior on a folder of pictures")
    command.add_arguments(training)
    training.set_defaults(run=run_train)
    studying = commands.add_parser("study", help="run a study of patch priors, in a checkout")
    laboratory.add_study_arguments(studying)
    studying.set_defaults(run=laboratory.run_study)
    listing = commands.add_parser("priors", help="patch priors, with their likelihood and PSNR")
    listing.set_defaults(run=laboratory.run_priors)
    commands.add_parser("info", help="what this installation uses").set_defaults(run=run_info)
    return parser


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all restorations of picture files share."""
    add = parser.add_argument
    add(
        "inputs",
        metavar="IN",
        nargs="+",
        help="PNG, JPEG or TIFF, gray or RGB, of 1 to 16 bit (1 to 7 are stretched to 8, 9 to 15 "
        "to 16), TIFF of other integers and floats too; alpha channels stay as they are",
    )
    add(
        "output",
        metavar="OUT",
        help="picture to write, in the format of its name, or a folder, for any number of IN",
    )
    add("--figure", metavar="PNG", help="before | after, as a picture (for OUT a folder: a folder)")
    add(
        "--data-range",
        type=data_range,
        metavar="STEP",
        help="from black to white (255, 65535; 1 for floats), or auto, to take it from the values",
    )
    add("--stack", action="store_true", help="restore every page or frame of a TIFF")
    add("--overwrite", action="store_true", help="replace what exists")
    add("--quiet", action="store_true", help="print nothing but warnings and errors")


def data_range(text: str) -> float | str:
    """The number, or auto."""
    return text if text == "auto" else float(text)


def run_task(arguments: argparse.Namespace) -> int:
    """Restore picture files."""
    task: tasks.Task = arguments.task
    return run_batch(arguments, task.prepare)


def run_info(arguments: argparse.Namespace) -> None:
    """Print the configuration and the models."""
    fastepll.show_config()
    print("models:")
    for name in fastepll.list_models():
        model = fastepll.load_model(name)
        terms = f"{model.k} components, patch shape {model.patch_shape}, {model_license(name)}"
        print(f"  {name}: {terms}")


def run_train(arguments: argparse.Namespace) -> int:
    """Train a prior."""
    try:
        return command.run(arguments)
    except ImportError as error:
        raise PictureError(
            f"train needs torch ({error}); install it with: pip install 'fastepll[train]'"
        ) from None
