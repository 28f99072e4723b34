dataste "fetch" "x" { # ERROR: Unknown block
  url = "https://example.org"
}
