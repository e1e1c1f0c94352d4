"""PURE: event versions become ordered, signed messages."""
