variable "limit" {
  type    = number
  default = "Inf" # ERROR: Number out of range ~ The variable "limit"
}

variable "limits" {
  type    = map(number)
  default = { a = 1, b = -tonumber("inf") } # ERROR: Number out of range ~ The variable "limits"
}

output "o" {
  value = [log(0, 2)] # ERROR: Number out of range ~ The output "o"
}

command "run" "c" {
  argv = ["sh", 1 / 0]         # ERROR: Number out of range ~ division by zero
  env  = { A = log(0, 2) } # ERROR: Number out of range ~ "env" of a command run
}

search "random" "s" { # ERROR: Unknown type
  runs = 1 / 0
}
