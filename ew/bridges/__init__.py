"""Bridges: subscribers of the broker that verify alerts and pass them on to other systems."""
