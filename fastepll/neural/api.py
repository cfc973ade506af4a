"""deep_image_prior: a measurement in, the image that a network fitted to it out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import (
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_progress,
)
from fastepll._validation.measurements import check_callback
from fastepll.neural.measured import Measured
from fastepll.neural.presets import DeepDecoder, Preset, check_depth, preset_of
from fastepll.neural.result import DeepImagePriorResult, FitIteration, RuleName
from fastepll.operators import Operator
from fastepll.priors.choice import check_model
from fastepll.typing import DataRange, Poll

if TYPE_CHECKING:
    import torch

    from fastepll.priors.choice import Model

MOST = 10**7  # iterations
ENOUGH = 300  # of a network whose input is a restoration already


def deep_image_prior(
    y: ArrayLike,
    operator: Operator | None = None,
    sigma: float | ArrayLike | None = None,
    *,
    mask: ArrayLike | None = None,
    factor: int | None = None,
    guide: ArrayLike | None = None,
    preset: str | Preset = "slim",
    iterations: int | None = None,
    learning_rate: float | None = None,
    input_noise: float | None = None,
    average: float = 0.99,
    stop: int | Literal["auto", "discrepancy", "variance", "never"] = "auto",
    prior: Model | None = None,
    prior_weight: float = 1.0,
    prior_sigma: float | None = None,
    prior_by: Literal["input", "likelihood", "splitting"] = "input",
    langevin: float = 0.0,
    channel_axis: int | None = None,
    data_range: DataRange = None,
    device: str | torch.device | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    seed: int = 0,
    snapshots: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    interrupt: Literal["raise", "return"] = "raise",
    progress: Poll | None = None,
    callback: Callable[[FitIteration], object] | None = None,
    full_output: bool = False,
) -> NDArray[Any] | DeepImagePriorResult:
    """Restore an image by the deep image prior: a network fitted to what was measured of it.

    A convolutional network f of random weights θ maps a fixed random input z to an image; Adam
    makes ‖A f_θ(z) - y‖² smaller. Structure is taken up sooner than noise, so the fit is stopped
    in time. Nothing is learnt from other images. It takes minutes where `fastepll.restore` takes
    a fraction of a second. Needs torch (``pip install fastepll[lab]``).

    Parameters
    ----------
    y : array_like
        What was measured, of the operator's ``out_shape``, or with one more axis of channels. Of a
        dtype that `fastepll.denoise` takes; finite where it is known; not changed.
    operator : Operator, optional
        A, for one plane: see `fastepll.restore`. None: the identity, or what mask or factor says.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of y, or one for each value of a plane. It
        tells when to stop; a map of it weighs the residuals too, and inf is for what tells nothing.
        0: there is no noise. None: it is not known.
    mask : array_like of bool, optional
        True where a pixel of y is unknown, (height, width), or of the shape of y: inpainting.
    factor : int, optional
        How many times larger than y the image is, in [2, 8]: super-resolution of what the usual
        antialiased bicubic reduction made (`fastepll.operators.bicubic_kernel`).
    guide : array_like, optional
        Another image of the same scene, in the shape of the result but for the number of channels,
        that the network gets in place of noise: one with flash, say.
    preset : str or Preset
        Network, and how it is fitted: a name in `fastepll.neural.PRESETS`. "slim" for a CPU.
    iterations : int, optional
        Steps at most. None, for this and the next two: those of the preset.
    learning_rate : float, optional
        Of Adam.
    input_noise : float, optional
        Standard deviation of the noise that is added to z anew in each step.
    average : float
        Weight of the images so far in the exponential average that is returned, in [0, 1); 0: the
        image of the last step alone.
    stop : {"auto", "discrepancy", "variance", "never"} or int
        "discrepancy": when the mean square residual of the averaged image has fallen to what the
        noise explains; needs sigma > 0. "variance": the averaged image of the iteration where the
        variance of the last 100 outputs was least, after 1000 without a smaller one. "never": after
        all iterations, as an int says too. "auto": by "discrepancy" where sigma is known, by
        "variance" where it is not, "never" without noise.
    prior : str, path, GaussianMixture or other prior, optional
        A prior of patches beside the network, as ``model`` of `fastepll.restore`.
    prior_weight : float
        Its weight, > 0; 1 for that which it has in EPLL, or that of the network.
    prior_sigma : float, optional
        Noise of the patches that its density is for, or that a step of its denoiser takes off, in
        the units of y. None: see the notes.
    prior_by : {"input", "likelihood", "splitting"}
        "input": what EPLL makes of y is the network's input in place of noise, and has that weight
        in the mean of the two that is returned; a tenth of the iterations, 300 if none are given,
        are enough, and stop "auto" is "never". Into holes its share falls, by a factor e for each
        side of a patch; where one is deeper than that the input and the iterations stay those of
        the preset, since EPLL fills it smoothly. "likelihood": the expected patch
        log likelihood (`fastepll.torch.expected_patch_log_likelihood`) is a term of the loss.
        "splitting": `fastepll.denoise` gives an image every 10 steps that the network's is pulled
        to.
    langevin : float
        Noise on the weights after each step in units of the learning rate; 2 is that of stochastic
        gradient Langevin dynamics as in [3]_, where noise is not taken up any more.
    channel_axis : int, optional
        Axis of the channels, of y and of the result. None: the image is gray.
    data_range : float or "auto", optional
        As for `fastepll.denoise`.
    device : str or torch.device, optional
        None: the CPU.
    precision : {"auto", "float32", "bfloat16"}
        Of the features; "auto" takes bfloat16 on processors that multiply such.
    seed : int
        Of weights, input and noise. With the same seed, number of threads and machine the result
        is the same.
    snapshots : int
        Keep the averaged image every so many iterations; 0: none.
    checkpoint : path, optional
        File to which the fit is written twice a minute, and when it ends or is interrupted. If it
        exists the fit goes on from there; only ``iterations`` may be others.
    interrupt : {"raise", "return"}
        What Ctrl-C does: "return" gives the image so far.
    progress : callable, optional
        Called with the fraction done of all iterations after each; an exception that it raises ends
        the call.
    callback : callable, optional
        Called with a `fastepll.neural.FitIteration` after each iteration. If it returns True the
        image so far is the result.
    full_output : bool
        Whether to return a `fastepll.neural.DeepImagePriorResult` with the curves.

    Returns
    -------
    numpy.ndarray or DeepImagePriorResult
        Image of the operator's ``in_shape`` and the channels, with the dtype and units of y.
        Integers are rounded and clipped to their dtype. Pixels of y without noise (sigma 0) and
        known by the mask are returned as they are.

    Raises
    ------
    ImportError
        torch is not installed.
    TypeError, ValueError
        An argument of the wrong kind, shape or value, or an image too small for the network's
        depth; the message names it.
    MemoryError
        The fit would not fit into the memory that is free; the message says how much it needs.

    See Also
    --------
    fastepll.restore, fastepll.torch.expected_patch_log_likelihood

    Notes
    -----
    The image is a sigmoid of the last layer, stretched to the range of ``operator.guess(y)`` where
    that is not in [0, 1]. Its sides are padded to multiples of 2 to the power of the levels, by
    pixels that no residual sees.

    With a prior of weight w the loss is ``mean (A f - y)² - w 2σ²/(d N) Σᵢ log p(Pᵢ f)``, that of
    `fastepll.objective` for N values measured, d pixels of a patch and σ the noise, at least 1/255
    of the range; by splitting, ``mean (A f - y)² + w σ²/s² mean (f - x - u)²`` with x what the
    denoiser makes of f - u as an image with noise s, ``prior_sigma``, and u the sum of all x - f
    so far. None: s = σ, and σ/4 for the density. The weight grows from 0 in the first 1000
    iterations, so that the network finds the structures first.

    References
    ----------
    .. [1] D. Ulyanov, A. Vedaldi, V. Lempitsky, Deep image prior, IJCV 2020.
    .. [2] H. Wang et al., Early stopping for deep image prior, TMLR 2023.
    .. [3] Z. Cheng, M. Gadelha, S. Maji, D. Sheldon, A Bayesian perspective on the deep image
       prior, CVPR 2019.
    .. [4] R. Heckel, P. Hand, Deep decoder, ICLR 2019.
    .. [5] G. Mataev, P. Milanfar, M. Elad, DeepRED: deep image prior powered by RED, ICCVW 2019.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> clean = np.zeros((64, 64))
    >>> clean[:, 32:] = 1.0
    >>> noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)
    >>> restored = fastepll.deep_image_prior(noisy, sigma=0.1, stop=60)
    >>> bool(np.std(restored - clean) < np.std(noisy - clean))
    True
    """
    chosen = preset_of(preset)
    check_choice("prior_by", prior_by, ("input", "likelihood", "splitting"))
    measured = Measured.of(
        y,
        operator,
        sigma,
        mask=mask,
        factor=factor,
        channel_axis=channel_axis,
        data_range=data_range,
    )
    patches = None if prior is None else check_model(prior)
    weight = check_number("prior_weight", prior_weight, 1e-12, 1e12)
    share, deep = None, False
    if patches is not None and prior_by == "input":
        share, deep = measured.share(weight, max(patches.patch_shape[:2]))
        iterations = ENOUGH if iterations is None and not deep else iterations
        stop = "never" if stop == "auto" else stop
    if iterations is not None:
        chosen = replace(chosen, iterations=check_count("iterations", iterations, 1, MOST))
    if not isinstance(stop, str):
        chosen, stop = replace(chosen, iterations=check_count("stop", stop, 1, MOST)), "never"
    check_choice("stop", stop, ("auto", *get_args(RuleName)))
    if learning_rate is not None:
        rate = check_number("learning_rate", learning_rate, 1e-8, 10)
        chosen = replace(chosen, learning_rate=rate)
    if input_noise is not None:
        chosen = replace(chosen, input_noise=check_number("input_noise", input_noise, 0, 10))
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    check_choice("interrupt", interrupt, ("raise", "return"))
    check_callback(callback)
    everything = check_flag("full_output", full_output)
    file = None if checkpoint is None else Path(checkpoint)
    if file is not None and not file.parent.is_dir():
        raise ValueError(f"checkpoint must be in a folder that exists, got {str(file)!r}")
    check_depth(measured.operator.in_shape, chosen)
    if stop == "discrepancy" and not measured.sigma:
        raise ValueError(f"sigma must be > 0 for stop='discrepancy', got {sigma!r}")
    try:
        from fastepll.neural.device import device_of, halves
        from fastepll.neural.job import Job
    except ModuleNotFoundError as error:
        raise ImportError(
            f"deep_image_prior needs torch ({error}); install it with: pip install 'fastepll[lab]'"
        ) from error

    where, inputs = device_of(device), None if guide is None else measured.guide(guide)
    restored = None if prior is None or share is None else measured.by_patches(prior)
    if restored is not None and not deep:
        inputs = restored if inputs is None else np.concatenate([restored, inputs])
    if inputs is not None and isinstance(chosen.network, DeepDecoder):
        raise ValueError("preset must be of an encoder and decoder for an image as its input")
    job = Job(
        measured=measured,
        preset=chosen,
        average=check_number("average", average, 0, 1 - 1e-9),
        stop=stop,
        prior=patches,
        prior_weight=weight,
        prior_sigma=None
        if prior_sigma is None
        else check_number("prior_sigma", prior_sigma, 1e-30, 1e30) * measured.scale / measured.span,
        prior_by=prior_by,
        langevin=check_number("langevin", langevin, 0, 1e3),
        guide=inputs,
        restored=restored,
        share=share,
        device=where,
        half=halves(precision, where),
        seed=check_count("seed", seed, 0, 2**63 - 1),
        snapshots=check_count("snapshots", snapshots, 0, MOST),
        checkpoint=file,
        returns=interrupt == "return",
        progress=check_progress(progress),
        callback=callback,
    )
    result = job.run()
    return result if everything else result.image
