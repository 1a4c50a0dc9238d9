"""``msgen init``: a commented campaign file for what people have in their folders."""
