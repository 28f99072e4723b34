dataset "fetch" "d" {
  url = "https://example.org"
  url = "https://example.com" # ERROR: Attribute redefined
}
