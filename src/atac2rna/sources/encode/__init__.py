"""ENCODE: what is there, how it pairs, and how a chosen set is fetched."""
