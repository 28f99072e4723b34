variable "secret" {
  default   = ["a"]
  sensitive = true
}
command "run" "first" {
  argv    = ["sh"]
  outputs = { out = "out" }
}
command "run" "list" {
  for_each = ["a", "b"] # ERROR: for_each is a list
  argv     = ["sh"]
}
command "run" "null" {
  for_each = null # ERROR: for_each is null
  argv     = ["sh"]
}
command "run" "number" {
  for_each = 3 # ERROR: Wrong for_each
  argv     = ["sh"]
}
command "run" "numbers" {
  for_each = toset([1, 2]) # ERROR: Wrong for_each
  argv     = ["sh"]
}
command "run" "sensitive" {
  for_each = toset(var.secret) # ERROR: Sensitive for_each
  argv     = ["sh"]
}
command "run" "unknown" {
  for_each = toset([hypothesis.h.label]) # ERROR: for_each is not known before the run
  argv     = ["sh"]
}
command "run" "element" {
  for_each = toset(["a", null]) # ERROR: for_each is null
  argv     = ["sh"]
}
command "run" "key" {
  for_each = toset(["a\nb"]) # ERROR: Wrong key
  argv     = ["sh"]
}
hypothesis "rank_transfer" "h" {
  tables = []
  from   = "a"
  to     = ["b"]
}
command "run" "after" {
  argv   = ["sh"]
  inputs = { all = command.list, one = command.unknown["x"].out } # no second error
}
