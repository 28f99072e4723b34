settings {
  required_version = ">= 9.0" # ERROR: nbpipe has another version
  colour           = true     # ERROR: Unknown attribute
}
