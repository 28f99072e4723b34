dataset "fetch" "d" {
  url    = "https://example.org"
  sha256 = "abc123" # ERROR: Wrong length of a digest
}
