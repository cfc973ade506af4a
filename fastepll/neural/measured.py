"""A measurement as a fit takes it: checked, and in units in which its image lies in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.images import check_image
from fastepll._validation.intensities import check_data_range, check_intensities, noise_like
from fastepll._validation.measurements import (
    check_factor,
    check_mask_of_image,
    check_measurement,
)
from fastepll._validation.sigma import (
    UNKNOWN,
    Sigma,
    beside,
    check_sigma,
    scale_sigma,
    sigma_of_images,
)
from fastepll.images.batch import empty_images, fill_unknown, masks_of_images
from fastepll.images.channels import channel_planes, channels_last
from fastepll.images.conversion import Conversion
from fastepll.operators import Blur, Downsample, Identity, Operator, bicubic_kernel, check_adjoint
from fastepll.priors.choice import Model
from fastepll.restoration.denoise import denoise
from fastepll.restoration.measurement import check_implied, gain_of
from fastepll.restoration.restore import restore
from fastepll.restoration.tasks import inpaint
from fastepll.solver.restore_schedule import FLOOR
from fastepll.typing import DataRange

RARE = 0.005  # of the values of a first guess may lie below, and above, the range of the image
ROOM = 0.05  # by which they may leave [0, 1] before it is given up
LEAST_SPAN = 1e-3  # of the range of an image


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured.

    Attributes
    ----------
    planes : (channels, *out_shape) array
        The values, scaled such that the image is in [0, 1].
    weights : array
        Of the squares of their residuals, with mean 1; broadcasts against planes.
    sigma : float or None
        Noise where the weight is that of a mean value, in the units of planes; None: not known.
    operator : Operator
    low, span : float
        Least value and range of the image, in the units of the array.
    scale : float
        Its range in units of the data range.
    level, mask
        The sigma that was given, checked, and the mask.
    exact : array of bool, optional
        Where (height, width, channels) the image is what was measured.
    """

    array: NDArray[Any]
    axis: int | None
    planes: NDArray[np.float64]
    weights: NDArray[np.float64]
    sigma: float | None
    operator: Operator
    low: float
    span: float
    scale: float
    level: Sigma | None
    mask: ArrayLike | None
    exact: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls,
        y: ArrayLike,
        operator: Operator | None,
        sigma: ArrayLike | None,
        *,
        mask: ArrayLike | None,
        factor: int | None,
        channel_axis: int | None,
        data_range: DataRange,
    ) -> Measured:
        """Check the arguments of `fastepll.deep_image_prior`."""
        several = [operator is not None, mask is not None, factor is not None]
        if sum(several) > 1:
            raise ValueError("of operator, mask and factor at most one must be given")
        given_range, level = check_data_range(data_range), check_sigma(sigma)
        if operator is None:
            array = check_image(y, channel_axis, "y")
            shape = channels_last(array, channel_axis).shape[:2]
            operator = Identity(shape) if factor is None else enlarged(shape, check_factor(factor))
        elif not isinstance(operator, Operator):
            raise TypeError(f"operator must be an Operator or None, got {type(operator).__name__}")
        else:
            array = check_measurement(y, channel_axis, operator.out_shape)
            if not operator.tested:
                check_adjoint(operator)
        source = channels_last(array, channel_axis)
        known = np.ones((*operator.out_shape, 1), np.bool_)
        if mask is not None:
            unknown = check_mask_of_image(
                masks_of_images(mask, array.shape, channel_axis, alpha=False)[0]
            )
            known, source = ~unknown, fill_unknown(source, [unknown], alpha=False)
        (level,) = sigma_of_images(level, (), operator.out_shape)
        beside_level = beside(level, ())
        step = check_intensities(
            source, given_range, "y", sigma=beside_level, response=operator.response
        )
        if given_range is None and operator.response is None and source.dtype.kind == "f":
            check_implied(source, operator, level)
        scaled = scale_sigma(level, step, gain_of(operator))
        values = np.moveaxis(source.astype(np.float64) / step, -1, 0)
        low, span = image_range(values, operator, scaled, np.moveaxis(known, -1, 0))
        flat = operator.forward(np.ones(operator.in_shape))
        planes = (values - low * flat) / span
        weights, noise = weighting(scaled, np.moveaxis(known, -1, 0).astype(np.float64))
        exact = None
        if isinstance(operator, Identity) and scaled is not None and np.min(scaled) == 0:
            exact = np.broadcast_to(
                known & (np.broadcast_to(scaled, operator.out_shape) == 0)[..., None], source.shape
            )
        return cls(
            array=array,
            axis=channel_axis,
            planes=planes,
            weights=weights,
            sigma=None if noise is None else noise / span,
            operator=operator,
            low=low * step,
            span=span * step,
            scale=span,
            level=level,
            mask=mask,
            exact=exact,
        )

    def image(self, found: NDArray[Any]) -> NDArray[Any]:
        """The image in the dtype and units of the array, from planes (channels, height, width)."""
        result = empty_images(
            self.array, self.axis, len(self.operator.out_shape), self.operator.in_shape
        )
        pixels = channels_last(result, self.axis)
        conversion = Conversion(channel_planes(len(found)), self.span, np.float64)
        conversion.join([*(found + self.low / self.span)], pixels)
        if self.exact is not None:
            np.copyto(pixels, channels_last(self.array, self.axis), where=self.exact)
        return result

    def guide(self, image: ArrayLike) -> NDArray[np.float64]:
        """Another image of the scene, (channels, height, width) in [0, 1]."""
        array = check_image(image, self.axis, "guide")
        source = channels_last(array, self.axis)
        if source.shape[:2] != self.operator.in_shape:
            raise ValueError(
                f"guide must have the {self.operator.in_shape} pixels of the image, "
                f"got {source.shape[:2]}"
            )
        step = check_intensities(source, "auto", "guide")
        return np.moveaxis(source.astype(np.float64) / step, -1, 0)

    def by_patches(self, prior: Model) -> NDArray[np.float64]:
        """What EPLL makes of the measurement, (channels, height, width) in units of the planes."""
        step = self.span / self.scale
        options: Any = {"model": prior, "channel_axis": self.axis, "data_range": step}
        if self.mask is not None:
            level = 0.0 if self.level is None else self.level
            image = inpaint(self.array, self.mask, level, quality="high", **options)
        elif isinstance(self.operator, Identity):
            image = denoise(self.array, self.level, quality="high", **options)
        else:
            image = restore(self.array, self.operator, self.level, quality="high", **options)
        pixels = np.moveaxis(channels_last(image, self.axis).astype(np.float64), -1, 0)
        return (pixels - self.low) / self.span

    def share(self, weight: float, reach: int) -> tuple[NDArray[np.float64], bool]:
        """EPLL's share in each pixel beside a network's, and whether a hole is too deep for EPLL.

        Into a hole it falls as exp(-depth / (weight reach)), ``reach`` the side of a patch. Where
        there is noise, which both take off, it is weight / (1 + weight) of that.
        """
        common = weight / (1 + weight) if self.mask is None or self.sigma else 1.0
        unknown = self.weights == 0
        if not isinstance(self.operator, Identity) or not unknown.any():
            return np.full((1, 1, 1), common), False
        from scipy.ndimage import distance_transform_edt

        depth = np.stack([distance_transform_edt(plane) for plane in unknown])
        return common * np.exp(-depth / (weight * reach)), bool(depth.max() > reach)


def enlarged(shape: tuple[int, ...], factor: int) -> Operator:
    """Bicubic reduction to that shape of an image that is mirrored at its border."""
    large = (factor * shape[0], factor * shape[1])
    kernel = bicubic_kernel(factor)
    if kernel.shape[0] > min(large):
        raise ValueError(
            f"y must have at least {-(-kernel.shape[0] // factor)} pixels a side to be enlarged "
            f"{factor} times, got {shape[0]}x{shape[1]}"
        )
    return Downsample([[1.0]], large, factor) @ Blur(kernel, large, "reflect")


def image_range(
    values: NDArray[np.float64], operator: Operator, sigma: Any, known: NDArray[np.bool_]
) -> tuple[float, float]:
    """Least value and range of the image, from a first guess: (0, 1) if they are in [0, 1]."""
    level = 0.0
    if sigma is not None:
        level = float(np.median(sigma))
    elif isinstance(operator, Identity):
        level = noise_like(np.moveaxis(values, 0, -1))
    if isinstance(operator, Identity):
        guess = values[np.broadcast_to(known, values.shape)]
    else:
        guess = np.array([operator.guess(plane, min(level, 1.0)) for plane in values])
    low, high = (float(v) for v in np.quantile(guess, (RARE, 1 - RARE)))
    room = ROOM + 3 * min(level, 1.0)
    if low >= -room and high <= 1 + room and high - low >= 2 * ROOM:
        return 0.0, 1.0
    wide = max(high - low, LEAST_SPAN)
    return low - ROOM * wide, (1 + 2 * ROOM) * wide


def weighting(sigma: Any, known: NDArray[np.float64]) -> tuple[NDArray[np.float64], float | None]:
    """Weights with mean 1, and the deviation of the noise of a value whose weight is that mean."""
    if sigma is None or isinstance(sigma, float):
        return known / known.mean(), sigma
    inverse = np.where(sigma >= UNKNOWN, 0.0, np.maximum(sigma, FLOOR) ** -2.0)
    weights = known * inverse
    return weights / weights.mean(), float((weights.sum() / (weights > 0).sum()) ** -0.5)
