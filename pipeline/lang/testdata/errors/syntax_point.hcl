locals {
  a = .9802 # ERROR: Invalid expression ~ write 0.9802
}
