"""Half-quadratic splitting around the passes of a prior, and the schedules of its weights."""
