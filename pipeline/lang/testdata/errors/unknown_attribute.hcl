dataset "fetch" "x" {
  url    = "https://example.org"
  sha265 = "abc" # ERROR: Unknown attribute ~ Did you mean "sha256"?
}
