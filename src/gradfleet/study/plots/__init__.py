"""Pictures of a study, drawn from its store alone: neither the model nor the data is needed."""
