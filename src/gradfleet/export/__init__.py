"""A trained model as something that lives on its own: a bundle, or what other programs load."""
