"""Running a model: setting a run up, training, validating, evaluating, and carrying on where a run stopped."""
