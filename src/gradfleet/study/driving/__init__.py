"""What drives a sweep from inside: it asks, judges, writes and ends."""
