settings {
  required_version = "at least one" # ERROR: Invalid version constraint
}
