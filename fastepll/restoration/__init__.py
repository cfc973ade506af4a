"""What users call: arrays in, restored arrays out."""
