variable "v" {
  default = 1
}
variable "v" { # ERROR: Defined twice
  default = 2
}
locals {
  l = 1
}
locals {
  l = 2 # ERROR: Defined twice
}
output "o" {
  value = 1
}
output "o" { # ERROR: Defined twice
  value = 1
}
dataset "fetch" "d" {
  url = "https://example.org"
}
dataset "fetch" "d" { # ERROR: Defined twice
  url = "https://example.org"
}
settings {
}
settings { # ERROR: Defined twice
}
command "run" "d" { # another block: another name
  argv = ["sh"]
  env  = { A = "1", A = "2" } # ERROR: Key given twice
  resources {
  }
  resources { # ERROR: Defined twice
  }
}
