command "run" "cell" {
  for_each = toset(["cifar10", "cifar100"])
  argv     = ["sh"]
  outputs  = { text = "out.txt" }
}
command "run" "one" {
  argv    = ["sh"]
  outputs = { text = "out.txt" }
}
command "run" "a" {
  argv   = ["sh"]
  inputs = { x = command.cell["cifar1O"].text } # ERROR: No node with this key ~ "cifar1O" ~ Did you mean "cifar10"?
}
command "run" "b" {
  argv   = ["sh"]
  inputs = { x = command.cell.text } # ERROR: A block with for_each needs a key
}
command "run" "c" {
  argv   = ["sh"]
  inputs = { x = command.one["k"].text } # ERROR: Index on a block without for_each
}
command "run" "d" {
  for_each = toset(["cifar10", "imagenet"])
  argv     = ["sh"]
  inputs   = { x = command.cell[each.key].text } # ERROR: No node with this key
}
command "run" "e" {
  argv   = ["sh"]
  inputs = { x = try(command.cell["nope"].text, "none") } # allowed: that is what try is for
}
