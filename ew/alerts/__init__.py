"""PURE: turns event versions into ordered, signed messages."""
