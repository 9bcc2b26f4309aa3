"""The search for a recipe: what is asked, planned, tried, kept and chosen."""
