locals { a = 1, b = 2 } # ERROR: Invalid single-argument block definition
