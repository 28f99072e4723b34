import "a" {
  source = 3 # ERROR: Wrong type
}
import "a" { # ERROR: Defined twice
  source = "./x"
}
import "b" {
  source = local.dir # ERROR: Reference not allowed here ~ constant
}
import "c" {
  sorce = "./x" # ERROR: Unknown attribute ~ Did you mean "source"?
  source = "./keys.hcl/x" # ERROR: Import not found
}
import "d" {
  source = "/tmp" # ERROR: Import not found ~ not relative
}
locals {
  dir = "./x"
  x   = import.c.y # no second error
}
