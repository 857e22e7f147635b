"""Models of music: what comes next, by families that share one protocol, and their safe storage."""
