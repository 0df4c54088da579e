"""What every list can do beyond being read: columns, saved views, selected rows, and files of what it shows."""
