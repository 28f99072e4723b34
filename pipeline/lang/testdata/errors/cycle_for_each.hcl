command "run" "a" { # ERROR: Cycle ~ command.a (for_each) -> command.b (for_each) -> command.a (for_each)
  for_each = command.b
  argv     = ["sh"]
}
command "run" "b" {
  for_each = command.a
  argv     = ["sh"]
}
