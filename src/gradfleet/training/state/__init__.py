"""What a model and its surroundings were: kept in files, and put back."""
