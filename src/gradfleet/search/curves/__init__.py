"""The default search strategy: models of what each configuration would reach, learned from whole and partial curves."""
