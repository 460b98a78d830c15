"""Where trials run; the only folder that imports Ray."""
