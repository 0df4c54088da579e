"""What every list can do beyond being read: columns are chosen, views saved, rows selected and taken along as a file."""
