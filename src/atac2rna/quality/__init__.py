"""What is wrong or odd in the data, found before any training."""
