"""Everything outside ew, played over the real protocols: stations, network, phones, TVs, faults."""
