dataset "fetch" "x" {
  url = 'https://example.org' # ERROR: Invalid character
}
