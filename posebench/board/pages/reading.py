"""The page that explains the board's tables and plots: ``how-to-read.md``."""

from __future__ import annotations

READING = """# How to read the leaderboard

Made by `posebench board render`; do not edit by hand.

## What a row is

* **Method.** The page behind its name has every number of the row, where it comes from, and the commands that make it again.
* **Form.** `paper`: the method as its paper describes it. `released`: as the authors' code has it, where the two differ. `tuned`: changed
  by this project in network, losses or side information; it says nothing about the paper's method. `+ tracking`: its poses are then
  [made those of one rigid body](../baselines/rigid_track/README.md), which is not of the paper. The form links to the page of the
  method, which lists what differs.
* **Budget.** How long the training was: `smoke` takes seconds, `quick` 10 to 17 minutes on one CPU thread, `full` is the paper's work.
  `quick` is a small part of what the papers spent: rows compare with each other, not with the papers' tables.
* **3D seen, and side information.** The 3D that the method has seen in training: `none`, `unpaired 3D` or `paired 3D`. Side information
  that was measured from true poses or from the cameras' calibration is named with it.
* **Frames.** How many frames one pose depends on. **Parameters**: weights of the networks that lift. **ms a frame**: median time of one
  frame at a time; the machine is named below the table.
* **Not ranked.** A row that takes something from the true poses at test time (an oracle), whose weights were chosen on the test split, or
  that adapts to other test clips, stands beside the ranking.

## What a number is

* **PA-MPJPE** orders the rows, because every method has it: mean joint error after Procrustes alignment, without reflection. **N-MPJPE**:
  after the best scale. **MPJPE**: as predicted; empty where a method does not know the scale. [All metrics](../docs/metrics.md).
* **Flips**: share of the poses whose best alignment is a reflection, a sign of poses that are mirrored in depth. It is never ranked.
* **Brackets**: 95 % bootstrap confidence interval over takes, the independent units of the test split. It covers other takes of these
  subjects, not other seeds.
* **Seeds**: number of trainings and the range of their PA-MPJPE. The row shows the seed of median error, with an even number the worse of
  the two in the middle, never the best. All its numbers and comparisons are that seed's.
* **Digits**: one decimal if the standard error is below 1, none otherwise. Differences and ranges over seeds have one. CSV has four.

## What may be compared

* **Tie.** Methods that share a letter are not separable: their paired difference over takes is not significant (Holm-corrected over all
  pairs of the table), or the ranges of their seeds overlap. A method may have several letters; with more than 26 groups they are numbers.
* **Separable**, of a row with one part changed: the same test against the unchanged method, with the same seed number where both have it,
  Holm-corrected over all changed rows of the table.
* **Smallest difference**: half the width of the 95 % interval of a pair's difference, uncorrected, as the median over the pairs of
  methods. Two methods that differ by less are usually tied on these takes.
* **Between tables** nothing may be compared: protocol, data or keypoints differ. Numbers that papers report are copied, never measured
  here, and a difference between two of them need not be one between the methods.
* **Code.** A row was made by the commit that its page names, not by the present code.
"""
