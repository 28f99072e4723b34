command "run" "a" {
  argv = ["sh", each.key] # ERROR: each without for_each
}
command "run" "b" {
  for_each = toset(["x"])
  argv     = ["sh", each.name] # ERROR: Unknown reference
}
