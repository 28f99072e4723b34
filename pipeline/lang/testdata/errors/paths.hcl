command "run" "a" {
  argv   = ["sh"]
  inputs = { a = path("../../errors_outside.txt") } # ERROR: Wrong path ~ leaves the experiment
}
command "run" "b" {
  argv   = ["sh"]
  inputs = { a = path("/etc/passwd") } # ERROR: Wrong path ~ not relative
}
command "run" "c" {
  argv   = ["sh"]
  inputs = { a = path("wrong_typo.hcl") } # ERROR: Wrong path ~ did you mean "wrong_type.hcl"?
}
locals {
  d = file("../../lang_test.go") # ERROR: Wrong path ~ leaves the experiment
  e = fileset("..", "*")         # ERROR: Wrong path
  f = path("")                   # ERROR: Wrong path
}
