import "b" {
  source = "../b"
}
