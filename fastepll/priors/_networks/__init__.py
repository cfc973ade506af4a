"""Networks of the autoregressive priors: torch modules from whitened coordinates to densities."""
