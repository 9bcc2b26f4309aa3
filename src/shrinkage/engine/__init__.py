"""Where cohorts run: one process per core, or this process on one device."""
