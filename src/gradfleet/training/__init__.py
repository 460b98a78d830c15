"""One model, trained once."""
