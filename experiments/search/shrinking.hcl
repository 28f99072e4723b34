# Two ways to shrink, on tables. LISSNAS keeps pockets around good architectures:
# how small, how good, how complete are they? AutoShrink removes edges; it was made
# for another space, so that no printed claim attaches to this adaptation.

hypothesis "estimates" "shrinking" {
  description = "LISSNAS and AutoShrink on CIFAR-100."
  values = {
    size_ratio = search.pockets["cifar100"].size_ratio
    mean_gain  = search.pockets["cifar100"].mean_gain
    recall     = search.pockets["cifar100"].recall
    diversity  = search.pockets["cifar100"].diversity
    pockets    = search.pockets["cifar100"].pockets
    tau        = search.pockets["cifar100"].tau
    edges      = search.edges.gain.score
    accuracy   = search.edges.gain.report
  }

  expect "pockets_are_better" {
    kind  = "own"
    claim = "LISSNAS's pockets have a better average than the whole space: lower end of the interval of the gain, in points of accuracy"
    value = self.values["mean_gain"].ci_low
    min   = 0
  }

  expect "pockets_keep_the_top" {
    kind  = "own"
    claim = "The pockets hold a larger share of the true best 1 % than of the space: lower end of the interval of the recall"
    value = self.values["recall"].ci_low
    min   = self.values["size_ratio"].ci_high
  }

  expect "edges_beat_draws" {
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws: mean difference"
    value    = self.values["edges"].value
    interval = [self.values["edges"].ci_low, self.values["edges"].ci_high]
    min      = 0
  }
}
