variable "names" {
  type    = list(string)
  default = ["a"]
}
command "run" "a" {
  argv = [["sh"], { a = 1 }] # ERROR: Wrong type ~ [0] ~ list of 1 string
}
command "run" "b" {
  argv = { a = "sh" } # ERROR: Wrong type ~ list of strings
}
command "run" "c" {
  argv = var.names.first # ERROR: No such member ~ [0]
}
command "run" "d" {
  argv = var.names[3] # ERROR: Invalid index ~ 1 element ~ number 3
}
command "run" "e" {
  argv    = var.names
  outputs = path("argv_types.hcl") # ERROR: A file cannot be put into a string
}
command "run" "f" {
  argv        = ["sh"]
  description = 3 # ERROR: Wrong type
  executor    = ["local"] # ERROR: Wrong type
}
hypothesis "rank_transfer" "g" {
  tables = []
  from   = "a"
  to     = ["b"]
  seed   = -1 # ERROR: Wrong number
}
hypothesis "rank_transfer" "h" {
  tables = [path("argv_types.hcl")] # ERROR: Wrong type ~ benchmark_table
  from   = "a"
  to     = "b" # ERROR: Wrong type ~ [ ... ]
  seed   = 1.5 # ERROR: Wrong number
}
