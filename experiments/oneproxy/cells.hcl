# Which cells were measured? The authors' files hold codes, and do not say which
# block of a code is which edge. The usual order is assumed; here it is tested.

hypothesis "edge_order" "cells" {
  description = "Are the 1,999 cells decoded with the right order of edges and operations?"
  tables      = [preprocess.devices.table, preprocess.accuracy.table]
  devices     = local.devices
  accuracy    = "cifar10"

  expect "edges" {
    kind      = "own"
    claim     = "Of all 720 orders of edges the usual one finds the most cells among the 1,999 of highest accuracy on CIFAR-10 (rank of the order)"
    value     = self.edges.rank + self.edges.equal
    equals    = 1
    tolerance = 0
  }

  expect "operations" {
    kind      = "own"
    claim     = "So does the usual one of the 120 orders of operations (rank of the order)"
    value     = self.operations.rank + self.operations.equal
    equals    = 1
    tolerance = 0
  }

  # What follows from that: no random sample. SRCC and Pareto sets of the 18 devices
  # are of cells that are all accurate, where others were left out.
  expect "chosen_by_accuracy" {
    kind  = "own"
    claim = "The cells are no random sample of the space: nearly all are among the 1,999 best on CIFAR-10 (by chance: 13 %)"
    value = self.edges.value
    min   = 0.95
  }

  # Latencies as evidence, which knows no accuracy: on these two the usual order is
  # the best of 720; for most of the 18 devices some other order fits better.
  expect "work_adreno_630" {
    kind      = "own"
    claim     = "Latencies of the Adreno 630 follow the work on live edges best in the usual order (rank of the order)"
    value     = self.work["true_630"].rank
    equals    = 1
    tolerance = 0
  }

  expect "work_raspberry" {
    kind      = "own"
    claim     = "Latencies of the Raspberry Pi 4 follow the work on live edges best in the usual order (rank of the order)"
    value     = self.work["rice_raspi4"].rank
    equals    = 1
    tolerance = 0
  }
}
