"""Commands that test the paper's claims on trained runs."""
