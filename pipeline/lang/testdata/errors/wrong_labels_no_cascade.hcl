variable "alpha" "beta" { # ERROR: Wrong labels ~ one label
  default = 1
}
import { # ERROR: Wrong labels
  source = "./x"
}
locals {
  a = var.alpha
}
hypothesis "rank_transfer" "h" {
  tables = []
  from   = "a"
  to     = ["b"]
  expect { # ERROR: Wrong labels ~ expect "correlated"
    value = self.count
    min   = 1
    claim = "c"
  }
  resources "big" { # ERROR: Wrong labels ~ no label
  }
}
