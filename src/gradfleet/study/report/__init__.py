"""One page that tells a study from its store: its facts, and their HTML."""
