"""Networks as priors: the deep image prior. Needs torch when it is called, not when imported."""

from fastepll.neural.api import deep_image_prior
from fastepll.neural.presets import PRESETS, DeepDecoder, EncoderDecoder, Preset
from fastepll.neural.result import DeepImagePriorResult, FitIteration

__all__ = [
    "PRESETS",
    "DeepDecoder",
    "DeepImagePriorResult",
    "EncoderDecoder",
    "FitIteration",
    "Preset",
    "deep_image_prior",
]
