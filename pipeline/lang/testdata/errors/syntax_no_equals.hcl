dataset "fetch" "a" {
  url "https://example.org" # ERROR: Invalid block definition ~ equals sign is missing
}
