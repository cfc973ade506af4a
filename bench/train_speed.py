"""EM throughput (patches x components per second) against scikit-learn, same patches, one run.

    python bench/train_speed.py            # writes bench/results/train_speed_2.json

Both start from the same mixture with the same patches and threads. scikit-learn's cost does not
depend on the mixture. Ours does: a pass that looks for candidates ("refresh") is followed by
passes over these only, so whole cycles are timed, at the start of a run and at its end.
scikit-learn runs in float64: in float32 it stopped at a covariance that was not positive definite.
On a busy machine use --threads 1: waiting for a descheduled thread would count against the peer.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import sklearn
import torch
from protocol import data_dir, write_result
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Peer
from threadpoolctl import threadpool_limits

from fastepll.models import load_model
from fastepll.train.em import Mixture
from fastepll.train.options import TrainOptions
from fastepll.train.patches import list_images
from fastepll.train.trainer import Trainer

PEER_PASSES = 1


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peer_pass(z: np.ndarray, mixture: Mixture) -> float:
    """Seconds of one EM iteration of scikit-learn (difference of two runs, set-up cancels)."""
    weights = mixture.weights.numpy()
    precisions = np.linalg.inv(mixture.covariances.numpy())

    def fit(passes: int) -> None:
        Peer(
            len(weights),
            tol=0.0,
            max_iter=passes,
            init_params="random_from_data",  # unused, and cheaper than k-means
            reg_covar=1e-8,
            weights_init=weights,
            means_init=np.zeros((len(weights), z.shape[1])),
            precisions_init=0.5 * (precisions + precisions.swapaxes(1, 2)),
        ).fit(z)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return (seconds(lambda: fit(1 + PEER_PASSES)) - seconds(lambda: fit(1))) / PEER_PASSES


def our_pass(trainer: Trainer, mixture: Mixture) -> float:
    """Seconds of one of our passes, mean over a refresh cycle."""
    trainer.mixture, trainer.position = mixture, trainer.options.iterations // 2
    cycle = trainer.options.refresh
    return seconds(lambda: [trainer.step() for _ in range(cycle)]) / cycle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=32_768)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    options = TrainOptions(n_patches=args.patches, warm_steps=0, iterations=1000, finish=0)
    trainer = Trainer(list_images(data_dir() / "bsds300" / "train"), options)
    trainer.chunk = min(trainer.chunk, args.patches // args.threads)
    model = load_model("gray-8x8-200")
    basis = trainer.basis.double()
    trained = Mixture(
        torch.tensor(np.array(model.weights)),
        basis.T @ torch.tensor(np.array(model.covariances)) @ basis,
    )
    states = {"start of a run": trainer.initial(), "trained": trained}
    z = trainer.z.numpy()
    work = args.patches * options.n_components
    rows = []
    with threadpool_limits(args.threads):
        for number in range(args.rounds):
            row = {
                "scikit-learn": work / peer_pass(z.astype(np.float64), trained),
            }
            for name, state in states.items():
                row[name] = work / our_pass(trainer, replace(state))
            rows.append(row)
            print(number, {k: f"{v / 1e6:.2f} M/s" for k, v in row.items()}, flush=True)
    median = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
    ratio = {
        f"{ours} / {peer}": float(np.median([row[ours] / row[peer] for row in rows]))
        for ours in states
        for peer in rows[0]
        if peer.startswith("scikit")
    }
    write_result(
        f"train_speed_{args.threads}",
        {
            "patches": args.patches,
            "components": options.n_components,
            "threads": args.threads,
            "patches_times_components_per_second": median,
            "ratio": ratio,
            "rounds": rows,
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
        },
    )
    print(json.dumps(ratio, indent=1))


if __name__ == "__main__":
    main()
