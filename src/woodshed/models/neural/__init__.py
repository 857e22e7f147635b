"""The neural families: one network, of which only the backbone differs, and its stored form."""
