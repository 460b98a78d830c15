"""What acts on a fit from outside its loop."""
