locals {
  a = .9802 # ERROR: Invalid expression ~ write 0.9802
}

locals {
  b = [1, -.5] # ERROR: Invalid expression ~ write 0.5
}

locals {
  c = 5. # ERROR: Invalid attribute name ~ write 5.0
}

hypothesis "rank_transfer" "h" {
  expect "e" {
    equals = .97 # ERROR: Invalid expression ~ write 0.97
  }
}

locals {
  d = 1 / 0 # ERROR: Number out of range ~ division by zero
}
