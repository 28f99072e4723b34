command "run" "a" {
  argv = ["sh"]
}
report "html" "r" {
  nodes = ["command.a"] # ERROR: Not a node
}
report "html" "s" {
  nodes = [command.a.out] # ERROR: Not a node
}
report "html" "t" {
  nodes = [command.b] # ERROR: Undefined node
}
report "html" "u" {
  nodes      = command.a
  depends_on = [local.x, command.aa] # ERROR: Not a node # ERROR: Undefined node
}
