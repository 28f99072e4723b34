command "run" "parts" {
  for_each = toset(["a", "b"])
  argv     = ["sh", each.key]
  outputs  = { table = "t", picture = "p" }
}

command "run" "one" {
  argv    = ["sh"]
  outputs = { table = "t" }
}

locals {
  rows = [{ name = "x", size = 1 }, { name = "y", size = 2 }]
  a    = command.parts[*].tabel     # ERROR: No such member ~ There is no "tabel" here. Did you mean "table"? Known members: picture, table
  b    = local.rows[*].nmae         # ERROR: No such member ~ Did you mean "name"
  c    = local.rows.*.siz           # ERROR: No such member ~ Did you mean "size"
  d    = command.one[*].tabel       # ERROR: No such member ~ Did you mean "table"
  e    = local.rows[*]["nam"]       # ERROR: No such member ~ Did you mean "name"
  f    = [for r in local.rows : r.siez] # ERROR: No such member ~ Did you mean "size"
  g    = [local.rows][*][0].nmae    # ERROR: No such member ~ Did you mean "name"
  h    = command.parts[*].table
}

command "run" "use" {
  argv   = ["sh"]
  inputs = { t = command.parts[*].picure[0] } # ERROR: No such member ~ Did you mean "picture"
}
