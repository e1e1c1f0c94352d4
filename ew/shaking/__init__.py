"""PURE: an origin becomes arrivals and intensities at targets."""
