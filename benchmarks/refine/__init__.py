"""What refining labels and dividing pictures gains and takes."""
