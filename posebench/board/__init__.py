"""The leaderboard: entries, and the pages made from them."""
