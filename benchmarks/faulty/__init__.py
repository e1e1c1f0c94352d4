"""The stage on which faults are tried: real processes, and the loads and cuts that disturb them."""
