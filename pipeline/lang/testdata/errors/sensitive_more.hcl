variable "token" {
  default   = "hunter2"
  sensitive = true
}
variable "number" {
  type      = number
  default   = "hunter2" # ERROR: Wrong type ~ not shown
  sensitive = true
}
variable "object" {
  type      = object({ password = string })
  default   = { password = "s3cret" }
  sensitive = true
}
locals {
  a = tonumber(var.token)                   # ERROR: Wrong argument of a function ~ sensitive
  b = [for t in [var.token] : tonumber(t)]  # ERROR: Wrong argument of a function ~ sensitive
  c = { a = 1 }[var.token]                  # ERROR: Invalid index ~ sensitive
  d = { (var.token) = 1 }
  e = { for k in [1, 2] : var.token => k }  # ERROR: Duplicate object key ~ sensitive
  f = jsondecode("{${var.token}")           # ERROR: Function failed ~ sensitive
  g = regex(var.token, "x")                 # ERROR: Function failed ~ sensitive
  h = var.token + 1                         # ERROR: Invalid operand ~ a number is required
  i = [for s in [var.object] : 1 + s.password] # ERROR: Invalid operand ~ a number is required
  j = var.object.pasword                    # ERROR: No such member ~ Did you mean "password"?
  k = path(var.token)                       # ERROR: Wrong path ~ sensitive
  l = var.token ? 1 : 2                     # ERROR: Incorrect condition type ~ bool
  m = "x ${[var.token]}"                    # ERROR: Value cannot be put into a string
  n = one(var.token)                        # ERROR: Unknown function
}
command "run" "keys" {
  for_each = { "${var.token}" = 1 } # ERROR: Sensitive for_each
  argv     = ["sh"]
}
command "run" "keys2" {
  for_each = local.d # ERROR: Sensitive for_each
  argv     = ["sh"]
}
command "run" "inputs" {
  argv   = ["sh"]
  inputs = { a = { b = [var.object.password] } } # ERROR: Sensitive value ~ "inputs"
}
command "run" "index" {
  argv   = ["sh"]
  inputs = { a = command.keys3[var.token].out } # ERROR: Sensitive value ~ command.keys3
}
command "run" "keys3" {
  for_each = toset(["a"])
  argv     = ["sh"]
  outputs  = { out = "out" }
}
dataset "fetch" "d" {
  url    = "https://example.org"
  sha256 = var.token # ERROR: Sensitive value
  token  = [var.token] # ERROR: Wrong type
}
