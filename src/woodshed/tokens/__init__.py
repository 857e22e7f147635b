"""Music as language: token tables, encoding and decoding, and the grammar that makes output legal."""
