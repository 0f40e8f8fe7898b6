"""Predict gene expression from open chromatin."""

__version__ = "0.1.0"
