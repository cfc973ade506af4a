"""The command line: fastepll denoise, deblur, deep-image-prior, demo, train, priors, and more."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import fastepll
from fastepll.cli import deep_image_prior, demo, prior_table, study, tasks
from fastepll.cli.batch import MISTAKES, describe, run_batch
from fastepll.cli.options import add_engine, add_files
from fastepll.cli.pictures import PictureError
from fastepll.cli.say import fail
from fastepll.models import model_license
from fastepll.models.diffusion import CHROMA, GRAY, shipped
from fastepll.train import command


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 2 for a mistake of the user, 130 after Ctrl-C."""
    try:
        arguments = build_parser().parse_args(argv)
        arguments.argv = sys.argv[1:] if argv is None else argv
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

    with_engine = []
    for task in (*tasks.TASKS, deep_image_prior.TASK):
        one = commands.add_parser(task.name, help=task.help, description=task.description)
        add_files(one)
        task.add_arguments(one)
        one.set_defaults(run=run_task, task=task)
        if task.by_passes:
            with_engine.append(one)
    showing = commands.add_parser("demo", help="add noise to a photograph and restore it")
    demo.add_arguments(showing)
    showing.set_defaults(run=demo.run)

    for one in (*with_engine, showing):
        add_engine(one)

    training = commands.add_parser("train", help="train a prior on a folder of pictures")
    command.add_arguments(training)
    training.set_defaults(run=run_train)
    studying = commands.add_parser("study", help="deprecated: python bench/study.py, in a checkout")
    study.add_arguments(studying)
    studying.set_defaults(run=study.run)
    listing = commands.add_parser("priors", help="patch priors, with their likelihood and PSNR")
    listing.set_defaults(run=prior_table.run)
    commands.add_parser("info", help="what this installation uses").set_defaults(run=run_info)
    return parser


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
        what = f"{model.n_components} components, patch shape {model.patch_shape}"
        print(f"  {name}: {what}, {model_license(name)}")
    print("steps of quality learned:")
    for name in (GRAY, CHROMA):
        steps = shipped(name)
        print(f"  {name}: {steps.n_steps}, {steps.metadata['license']}")


def run_train(arguments: argparse.Namespace) -> int:
    """Train a prior."""
    try:
        return command.run(arguments)
    except ImportError as error:
        raise PictureError(
            f"train needs torch ({error}); install it with: pip install 'fastepll[train]'"
        ) from None
