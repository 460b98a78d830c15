"""The pages under `/ui`: what `views` gives, as HTML; nothing on them is fetched from elsewhere."""
