dataset "fetch" "d" {
  url     = null               # ERROR: Required attribute is null
  sha256  = null
  mirrors = ["a", null]        # ERROR: Null inside a value
}
