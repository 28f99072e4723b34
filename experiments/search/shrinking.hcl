# Two ways to shrink, on tables. LISSNAS keeps pockets around good architectures:
# how small, how good, how complete are they? AutoShrink removes edges; it was made
# for another space, so that no printed claim attaches to this adaptation.

hypothesis "estimates" "shrinking" {
  description = "CIFAR-100. LISSNAS: the space that runs end with. AutoShrink: its cell less the best of as many random draws, in score and in accuracy after 200 epochs."
  values = {
    lissnas_size_ratio  = search.pockets["cifar100"].size_ratio
    lissnas_mean_gain   = search.pockets["cifar100"].mean_gain
    lissnas_recall      = search.pockets["cifar100"].recall
    lissnas_diversity   = search.pockets["cifar100"].diversity
    lissnas_pockets     = search.pockets["cifar100"].pockets
    lissnas_tau         = search.pockets["cifar100"].tau
    autoshrink_score    = search.edges.gain.score
    autoshrink_accuracy = search.edges.gain.report
  }

  expect "pockets_are_better" {
    kind  = "own"
    claim = "LISSNAS's pockets have a better average than the whole space: lower end of the interval of the gain, in points of accuracy"
    value = self.values["lissnas_mean_gain"].ci_low
    min   = 0
  }

  expect "pockets_keep_the_top" {
    kind  = "own"
    claim = "The pockets hold a larger share of the true best 1 % than of the space: lower end of the interval of the recall"
    value = self.values["lissnas_recall"].ci_low
    min   = self.values["lissnas_size_ratio"].ci_high
  }

  expect "edges_beat_draws" {
    kind     = "own"
    claim    = "AutoShrink's cell has a higher score than the best of as many random draws: mean difference"
    value    = self.values["autoshrink_score"].value
    interval = [self.values["autoshrink_score"].ci_low, self.values["autoshrink_score"].ci_high]
    min      = 0
  }
}
