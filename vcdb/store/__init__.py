"""Where fingerprints and the catalogue are kept."""
