"""Validation of what users pass in, and nothing else."""
