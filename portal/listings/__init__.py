"""What every list can do beyond being read: its columns are chosen, and what it shows is taken along as a file."""
