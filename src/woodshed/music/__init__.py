"""Music as arrays: scores, time, lineups and transforms."""
