import "a" {
  source = "../a" # ERROR: Import loop
}
