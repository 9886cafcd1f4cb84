"""Colours of lines and points that have nothing but their name to distinguish them."""

#: They differ for people who do not see red or green (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
