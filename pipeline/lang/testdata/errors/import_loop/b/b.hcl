import "a" {
  source = "../a" # ERROR: Import loop ~ ./a -> ./b -> ./a
}
