dataset "fetch" { # ERROR: Wrong labels
  url = "x"
}
variable { # ERROR: Wrong labels
}
locals "x" { # ERROR: Wrong labels
}
command "run" "a b" { # ERROR: Invalid name ~ "a b"
  argv = ["sh"]
}
command "run" "1st" { # ERROR: Invalid name
  argv = ["sh"]
}
output "" { # ERROR: Invalid name
  value = 1
}
