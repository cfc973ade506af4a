"""The file format of the laboratory's priors."""

from fastepll.models.described import Form

FORM = Form("fastepll-prior", 1, "patch_shape")
