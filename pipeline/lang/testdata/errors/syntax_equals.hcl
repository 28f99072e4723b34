locals {
  a: 3 # ERROR: Argument or block definition required
}
