locals {
  a = # ERROR: Invalid expression ~ value is missing
}
