hypothesis "rank_transfer" "h" {
  tables = []
  from   = self.label # ERROR: self outside expect
  to     = ["b"]
}
locals {
  x = self.count # ERROR: self outside expect
}
