"""Context encoders and pair steps that the baseline predictors share."""
