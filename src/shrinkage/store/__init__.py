"""What outlives a process: the study's database and the model folder."""
