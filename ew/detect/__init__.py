"""PURE: packets become picks."""
