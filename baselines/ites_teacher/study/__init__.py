"""Commands that show what a trained teacher has learnt."""
