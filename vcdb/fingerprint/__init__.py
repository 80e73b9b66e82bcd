"""Fingerprints: arrays in, arrays out."""
