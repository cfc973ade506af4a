"""The fit of a network to one measurement: the loop of the deep image prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from fastepll.neural.measuring import Measure
from fastepll.neural.networks import Network
from fastepll.neural.penalties import Penalty
from fastepll.neural.presets import DeepDecoder, Preset
from fastepll.neural.stopping import Rule

CHECKED = 100  # iterations from one look at whether the loss jumped to the next
RAMP = 1000  # iterations in which the weight of a prior of patches grows to what it is to be
GROWTH = 9  # the average of iteration i is over about i / 9 images, or as many as it may be
JUMP = 10**0.5  # rise of the loss, 5 dB, that makes the fit go back


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be fitted.

    Attributes
    ----------
    y : tensor (1, channels, *out_shape)
        The measurement, in units in which the image is in [0, 1].
    measure : callable
        A.
    weights : tensor or float
        Of the squares of the residuals, with mean 1 over what is measured.
    variance : float
        Of the noise where the weight is 1; 1 where it is not known, or 0.
    shape : (int, int)
        Height and width of the image.
    """

    y: torch.Tensor
    measure: Measure
    weights: torch.Tensor | float
    variance: float
    shape: tuple[int, int]

    def residual(self, image: torch.Tensor) -> torch.Tensor:
        """Weighted mean square of A x - y."""
        return (self.weights * (self.measure(image) - self.y) ** 2).mean()


class Fit:
    """A network that is being fitted.

    Attributes
    ----------
    i, done : int, bool
        Iterations so far, and whether the rule said that the last was the last.
    misfit : float
        Weighted mean square residual of the average, in units of the problem's variance.
    output, average : tensor (1, channels, height, width)
        Image of the last iteration, and the exponential average of all so far.
    best : tensor
        The average at the iteration that the rule would return.
    losses, statistics : list of float
        Of each iteration: weighted mean square residual of the output, what the rule looks at.
    safe, safe_loss : list of tensors, float
        Weights to go back to if the loss jumps, and their loss.
    """

    def __init__(
        self,
        problem: Problem,
        preset: Preset,
        *,
        rule: Rule,
        average: float,
        penalty: Penalty | None,
        langevin: float,
        guide: torch.Tensor | None,
        half: bool,
        seed: int,
    ) -> None:
        self.problem, self.preset, self.rule, self.penalty = problem, preset, rule, penalty
        self.decay, self.langevin = average, langevin
        device, n_out = problem.y.device, problem.y.shape[1]
        self.generator = torch.Generator(device).manual_seed(seed)
        sides = [padded(n, preset) for n in problem.shape]
        self.z = network_input(preset, sides, guide, self.generator)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            net = Network(preset.network, self.z.shape[1], n_out, half=half)
        layout = torch.channels_last
        self.network = net.to(device, problem.y.dtype).train()
        self.network.to(memory_format=layout)  # type: ignore[call-overload]
        self.z = self.z.to(problem.y.dtype).contiguous(memory_format=layout)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=preset.learning_rate)
        self.top, self.left = ((a - b) // 2 for a, b in zip(sides, problem.shape, strict=True))
        for parameter in self.network.parameters():  # as Adam would when it first sees it
            zero = torch.zeros_like(parameter)
            moments = {"exp_avg": zero, "exp_avg_sq": zero.clone()}
            self.optimizer.state[parameter] = {"step": torch.tensor(0.0), **moments}
        self.i, self.done, self.misfit = 0, False, math.nan
        self.output = self.average = self.best = torch.empty(0)
        self.losses: list[float] = []
        self.statistics: list[float] = []
        self.safe: list[torch.Tensor] = []
        self.safe_loss = math.inf

    def image(self, z: torch.Tensor) -> torch.Tensor:
        """What the network makes of an input, without what was padded."""
        height, width = self.problem.shape
        whole: torch.Tensor = self.network(z)
        return whole[..., self.top : self.top + height, self.left : self.left + width]

    def step(self) -> None:
        """One iteration."""
        z, noise = self.z, self.preset.input_noise
        if noise > 0:
            z = z + noise * torch.randn(
                z.shape, generator=self.generator, device=z.device, dtype=z.dtype
            ).contiguous(memory_format=torch.channels_last)
        self.optimizer.zero_grad()
        image = self.image(z)
        residual = self.problem.residual(image)
        loss = residual
        if self.penalty is not None and self.i:
            loss = loss + min(1.0, self.i / RAMP) * self.penalty(image, self.i)
        loss.backward()  # type: ignore[no-untyped-call]
        self._go_back_after_a_jump(residual.item())
        self.optimizer.step()
        with torch.no_grad():
            self._shake()
            self.output = image.detach()
            # Few images at first, when each is better than those before it.
            share = min(self.decay, self.i / (self.i + GROWTH))
            self.average = self.average.lerp(self.output, 1 - share) if share else self.output
            self.misfit = self.problem.residual(self.average).item() / self.problem.variance
        self.done = self.rule.update(self.i, self.output.cpu().numpy(), self.misfit)
        if self.rule.best in (-1, self.i) or self.i == 0:
            self.best = self.average
        self.losses.append(residual.item())
        self.statistics.append(self.rule.statistic)
        self.i += 1

    def _go_back_after_a_jump(self, loss: float) -> None:
        """Now and then: restore the weights of the last look if the loss has jumped since."""
        if self.i % CHECKED:
            return
        parameters = [*self.network.parameters()]
        with torch.no_grad():
            if loss > JUMP * self.safe_loss:
                for parameter, safe in zip(parameters, self.safe, strict=True):
                    parameter.copy_(safe)
                    parameter.grad = None
            else:
                self.safe = [parameter.detach().clone() for parameter in parameters]
                self.safe_loss = loss

    def _shake(self) -> None:
        """Noise on the kernels, of stochastic gradient Langevin dynamics."""
        if self.langevin == 0:
            return
        scale = self.langevin * self.preset.learning_rate
        for parameter in self.network.parameters():
            if parameter.dim() == 4:
                noise = torch.randn(
                    parameter.shape,
                    generator=self.generator,
                    device=parameter.device,
                    dtype=parameter.dtype,
                )
                parameter.add_(noise, alpha=scale)


def padded(n: int, preset: Preset) -> int:
    """Side of the network's image, for n pixels."""
    multiple = preset.network.multiple
    return max(-(-n // multiple) * multiple, preset.network.smallest)


def network_input(
    preset: Preset,
    sides: list[int],
    guide: torch.Tensor | None,
    generator: torch.Generator,
) -> torch.Tensor:
    """What the network maps to the image, (1, channels, height, width)."""
    device, shape = generator.device, list(sides)
    if guide is not None:
        places = [
            torch.as_tensor(
                np.pad(np.arange(n), ((side - n) // 2, side - n - (side - n) // 2), "symmetric"),
                device=device,
            )
            for n, side in zip(guide.shape[-2:], sides, strict=True)
        ]
        return guide.index_select(2, places[0]).index_select(3, places[1])
    if preset.input == "coordinates":
        axes = [torch.linspace(0, 1, n, device=device) for n in sides]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    if isinstance(preset.network, DeepDecoder):
        shape = [n // preset.network.multiple for n in sides]
    noise = torch.rand((1, preset.input_channels, *shape), generator=generator, device=device)
    return 0.1 * noise
