"""What a command runs on."""

from __future__ import annotations

import argparse
import os
import platform

import fastepll
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend


def machinery(arguments: argparse.Namespace) -> str:
    """Threads and backend, or device, that the arguments lead to."""
    if "device" in arguments:
        import torch

        where = f" on {arguments.device}" if arguments.device else ""
        return f"{torch.get_num_threads()} threads, torch {torch.__version__}{where}"
    engine = get_backend(arguments.backend)
    level = (
        f" ({fastepll.show_config('dict')['simd']['in use']})" if engine.name == "native" else ""
    )
    return f"{resolve_threads(arguments.threads)} threads, {engine.name} backend{level}"


def machine(arguments: argparse.Namespace) -> str:
    """The machine and what the arguments use of it."""
    return f"{platform.platform()}, {os.cpu_count()} processors; {machinery(arguments)}"
