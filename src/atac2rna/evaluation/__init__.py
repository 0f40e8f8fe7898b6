"""Every model beside the baselines, on the same folds."""
