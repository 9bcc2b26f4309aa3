"""What a study's results are worth: estimates with intervals, from what the study kept."""
