"""What is done to networks before and while they train: freezing, compiling, batch norm's statistics."""
