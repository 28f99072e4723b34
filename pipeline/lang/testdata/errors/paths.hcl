command "run" "a" {
  argv   = ["sh"]
  inputs = { a = path("../../errors_outside.txt") } # ERROR: Function failed
}
command "run" "b" {
  argv   = ["sh"]
  inputs = { a = path("/etc/passwd") } # ERROR: Function failed
}
command "run" "c" {
  argv   = ["sh"]
  inputs = { a = path("wrong_typo.hcl") } # ERROR: Function failed
}
locals {
  d = file("../../lang_test.go") # ERROR: Function failed
  e = fileset("..", "*")         # ERROR: Function failed
  f = path("")                   # ERROR: Function failed
}
