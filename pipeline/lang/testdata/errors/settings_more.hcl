settings "x" { # ERROR: Wrong labels
}
settings {
  required_version = 3 # ERROR: Wrong type
  inner { # ERROR: Unknown block
  }
}
