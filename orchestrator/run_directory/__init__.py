"""What a campaign leaves on disk, and how it survives a crash."""
