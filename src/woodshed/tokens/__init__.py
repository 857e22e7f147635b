"""Music as language: token tables, encoding and decoding, and the grammar of each."""
