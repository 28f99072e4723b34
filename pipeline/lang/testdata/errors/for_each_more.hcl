command "run" "each" {
  for_each = toset([each.key]) # ERROR: each without for_each
  argv     = ["sh"]
}
command "run" "self" {
  for_each = self # ERROR: self outside expect
  argv     = ["sh"]
}
command "run" "file" {
  for_each = path("for_each.hcl") # ERROR: Wrong for_each ~ file
  argv     = ["sh"]
}
command "run" "text" {
  for_each = "abc" # ERROR: Wrong for_each ~ the string "abc"
  argv     = ["sh"]
}
command "run" "undefined" {
  for_each = local.tasks # ERROR: Undefined local value
  argv     = ["sh", each.value]
}
command "run" "own" { # ERROR: Refers to itself ~ command.own
  for_each = command.own
  argv     = ["sh"]
}
command "run" "value" {
  for_each = toset(["a"])
  argv     = ["sh", each.value.name] # ERROR: No such member
}
command "run" "block" {
  argv = ["sh"]
  for_each { # ERROR: Attribute written as a block
  }
}
command "run" "secret_value" {
  for_each = { a = sensitive("s3cret") }
  argv     = ["sh", each.value] # ERROR: Sensitive value ~ "argv"
}
