"""What predictions are worth: statistics on arrays of predictions that were made already."""
