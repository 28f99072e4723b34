command "run" "a" {
  for_each = toset(["x"])
  argv     = ["sh"]
}
command "run" "b" {
  argv       = ["sh"]
  depends_on = [command.a["y"]] # ERROR: No node with this key ~ command.a ~ Known keys: x
}
command "run" "c" {
  argv       = ["sh"]
  depends_on = [command.none] # ERROR: Undefined node ~ "none" ~ Known command blocks: a, b, c, d, e, f
}
command "run" "d" {
  argv       = ["sh"]
  depends_on = "command.a" # ERROR: Not a node ~ quotes
}
command "run" "e" {
  argv       = ["sh"]
  depends_on = [for k in ["x"] : command.a[k]] # ERROR: Not a node
}
command "run" "f" {
  argv       = ["sh"]
  depends_on = [command.a["x"].out] # ERROR: Not a node ~ leave the output's name out: command.a["x"].
}
