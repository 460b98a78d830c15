"""One trial, anywhere; knows no Ray."""
