"""Predicting samples that have peaks and no RNA: from whatever holds the peaks to a table with a verdict."""
