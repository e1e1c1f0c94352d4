"""PURE: picks become event versions."""
