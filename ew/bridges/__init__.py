"""Bridges: subscribers of the broker that hand alerts on to other systems, and believe only their roots."""
