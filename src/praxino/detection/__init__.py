"""Was this generated? Five families of evidence from pixels, one calibrated answer."""
