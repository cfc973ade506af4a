"""What a variational autoencoder is trained by: a bound, and an estimate of its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Objective:
    """How to train a variational autoencoder.

    Attributes
    ----------
    bound : {"elbo", "iwae"}
        The evidence lower bound, or the importance-weighted one of ``n_samples``.
    n_samples : int
        Draws of the latent variables of each datum.
    gradient : {"reparameterisation", "score"}
        Of the encoder: through the draws, or by the score function, with the mean of the other
        draws as a baseline (then ``n_samples`` is at least 2, and the bound the first).
    warmup : int
        Steps in which the weight of the divergence from the prior of the latent variables rises
        from 0 to 1.
    dropout : float
        Share of the hidden units that each step of training leaves out.

    References
    ----------
    D. P. Kingma, M. Welling, Auto-encoding variational Bayes, ICLR 2014.
    Y. Burda, R. Grosse, R. Salakhutdinov, Importance weighted autoencoders, ICLR 2016.
    A. Mnih, K. Gregor, Neural variational inference and learning in belief networks, ICML 2014.
    """

    bound: Literal["elbo", "iwae"] = "elbo"
    n_samples: int = 1
    gradient: Literal["reparameterisation", "score"] = "reparameterisation"
    warmup: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        for name, known in (
            ("bound", ("elbo", "iwae")),
            ("gradient", ("reparameterisation", "score")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if self.gradient == "score" and (self.bound != "elbo" or self.n_samples < 2):
            raise ValueError(
                "gradient 'score' needs the bound 'elbo' and 2 samples or more, "
                f"got {self.bound!r} and {self.n_samples}"
            )
        for name, least in (("n_samples", 1), ("warmup", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    def weight(self, i: int) -> float:
        """Weight of the divergence after i steps."""
        return min(1.0, i / self.warmup) if self.warmup else 1.0


ELBO = Objective()
