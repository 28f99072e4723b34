command "run" "a" { # ERROR: Cycle
  for_each = command.b
  argv     = ["sh"]
}
command "run" "b" {
  for_each = command.a
  argv     = ["sh"]
}
