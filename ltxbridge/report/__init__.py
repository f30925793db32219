"""What a person reads: the HTML and JSON report of a delivery."""
