"""The n-gram family: contexts of every length, found in suffix arrays, seen in several ways."""
