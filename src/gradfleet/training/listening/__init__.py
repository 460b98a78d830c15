"""The events of a fit, and who listens to them."""
