variable "token" {
  type      = string
  default   = "hunter2"
  sensitive = true
}
variable "plain" {
  default = 1
}
locals {
  header = "Bearer ${var.token}" # allowed: another local value
  number = parseint(var.token, 10) # ERROR: Wrong argument of a function
}
dataset "fetch" "d" {
  url   = "https://example.org/${local.header}" # ERROR: Sensitive value
  token = local.header # allowed: the kind takes it
}
command "run" "c" {
  argv = ["sh", sensitive("x")] # ERROR: Sensitive value
  env  = { T = nonsensitive(var.token) } # ERROR: Unknown function
  resources {
    cpus = length(var.token) # ERROR: Sensitive value
  }
}
command "run" "conditional" {
  argv = [var.token == "" ? "a" : "b"] # ERROR: Sensitive value
}
output "o" {
  value = local.header # ERROR: Sensitive value
}
hypothesis "rank_transfer" "h" {
  description = var.token # ERROR: Sensitive value
  tables      = []
  from        = "a"
  to          = ["b"]
  expect "e" {
    value = self.count
    min   = length(var.token) # ERROR: Sensitive value
    claim = "c"
  }
}
