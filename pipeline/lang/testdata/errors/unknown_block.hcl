dataste "fetch" "x" { # ERROR: Unknown block ~ Did you mean "dataset"?
  url = "https://example.org"
}
