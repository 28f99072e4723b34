  locals {
    a = 1 + # ERROR: Invalid expression
  }
  command "run" "x" {
    argv = local.a
    env  = { A = local.b } # ERROR: Undefined local value
  }
  # a comment
  locals {
    c = {
      d = 1 2 # ERROR: Missing attribute separator
    }
  }
  output "o" { value = local.c.d.e }
  output "p" { valve = 1 } # ERROR: Unknown attribute ~ "value" # ERROR: Missing attribute
