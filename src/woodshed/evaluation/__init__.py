"""How models compare: bits per note of the same text, intervals, mixtures, speed."""
