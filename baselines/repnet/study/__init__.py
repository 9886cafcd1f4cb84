"""Commands that measure the claims of the paper on trained runs."""
