import "a" {
  source = "./a"
}
