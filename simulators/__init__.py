"""Everything outside ew, over the real protocols: stations, network, phones, TVs, faults."""
