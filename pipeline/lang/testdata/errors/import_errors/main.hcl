variable "secret" {
  default   = "x"
  sensitive = true
}
import "self" {
  source = "." # ERROR: Import loop
}
import "none" {
  source = "./chidl" # ERROR: Import not found ~ did you mean "child"?
}
import "outside" {
  source = "../import_loop" # ERROR: Import not found
}
import "no_source" { # ERROR: Missing attribute
}
import "few" { # ERROR: Variable without a value
  source = "./child"
}
import "wrong" {
  source    = "./child"
  variables = {
    size = "big"       # ERROR: Wrong type
    sise = 3           # ERROR: Undefined variable ~ Did you mean "size"?
    name = var.secret  # ERROR: Sensitive value
  }
}
import "good" {
  source    = "./child"
  variables = { size = 3 }
}
locals {
  a = import.good.resutl  # ERROR: Undefined output ~ Did you mean "result"?
  b = import.good.inner   # ERROR: Undefined output
  c = import.good         # ERROR: Incomplete reference
  d = import.wrong.result # no second error
  e = import.none.x       # no second error
}
