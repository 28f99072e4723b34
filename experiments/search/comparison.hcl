# Does a search find better architectures than random sampling for the same
# budget? The readings are ours: no paper's number is claimed here. A search passes
# on a task when the lower end of the interval of its gain over random sampling is
# above 0; compared is the task where that end is lowest, each relative to the mean
# regret of random sampling there.

hypothesis "algorithm_comparison" "vision" {
  description = "Vision tasks: search by validation accuracy after 12 epochs, judged by test accuracy after 200."
  searches = {
    for task in keys(local.vision) : task => {
      for name, s in {
        random    = search.random[task]
        evolution = search.evolution[task]
        local     = search.local[task]
        reinforce = search.reinforce[task]
        bananas   = search.bananas[task]
        pockets   = search.pockets[task]
      } : name => { results = s.results, incumbent = s.incumbent, optimum = s.optimum }
    }
  }
  labels = merge({ for task in keys(local.vision) : task => local.labels[task] }, local.algorithms)
  seed   = var.seed

  expect "evolution_beats_random" {
    kind  = "own"
    claim = "Regularized evolution is better than random sampling on each vision task: lowest end of the intervals of its gain, in points of accuracy"
    value = min([for task, g in self.gain : g["evolution"].ci_low]...)
    min   = 0
  }

  expect "local_search_beats_random" {
    kind  = "own"
    claim = "Local search is better than random sampling on each vision task: lowest end of the intervals of its gain"
    value = min([for task, g in self.gain : g["local"].ci_low]...)
    min   = 0
  }

  expect "reinforce_beats_random" {
    kind  = "own"
    claim = "REINFORCE is better than random sampling on each vision task: lowest end of the intervals of its gain"
    value = min([for task, g in self.gain : g["reinforce"].ci_low]...)
    min   = 0
  }

  expect "bananas_beats_random" {
    kind  = "own"
    claim = "Bayesian optimisation is better than random sampling on each vision task: lowest end of the intervals of its gain"
    value = min([for task, g in self.gain : g["bananas"].ci_low]...)
    min   = 0
  }

  expect "pockets_beat_random" {
    kind  = "own"
    claim = "Sampling LISSNAS's pockets is better than sampling the whole space on each vision task: lowest end of the intervals of its gain"
    value = min([for task, g in self.gain : g["pockets"].ci_low]...)
    min   = 0
  }

  expect "random_ranks_last" {
    kind  = "own"
    claim = "Random sampling has the worst mean rank: lower end of its interval, above the upper ends of the others"
    value = self.mean_rank["random"].ci_low
    min   = max([for name, r in self.mean_rank : r.ci_high if name != "random"]...)
  }

  expect "check_optimum" {
    kind      = "own"
    claim     = "The best cell of CIFAR-100 after 200 epochs is number 9930"
    value     = self.optimum["cifar100"].index
    equals    = 9930
    tolerance = 0
  }

  expect "check_optimum_value" {
    kind   = "own"
    claim  = "It has an accuracy of 73.51 %"
    value  = self.optimum["cifar100"].report
    equals = 73.51
  }
}

hypothesis "algorithm_comparison" "oracle" {
  description = "NinaPro and Darcy Flow: one test value an architecture, searched and judged by. An oracle: it says how fast a search finds the best cell when it may look, and nothing of generalisation."
  searches = {
    for task in keys(local.oracle) : task => {
      for name, s in {
        random    = search.random[task]
        evolution = search.evolution[task]
        local     = search.local[task]
        reinforce = search.reinforce[task]
        bananas   = search.bananas[task]
        pockets   = search.pockets[task]
      } : name => { results = s.results, incumbent = s.incumbent, optimum = s.optimum }
    }
  }
  labels = merge({ for task in keys(local.oracle) : task => local.labels[task] }, local.algorithms)
  seed   = var.seed

  expect "evolution_beats_random_on_ninapro" {
    kind  = "own"
    claim = "Regularized evolution is better than random sampling on NinaPro: lower end of the interval of its gain"
    value = self.gain["ninapro"]["evolution"].ci_low
    min   = 0
  }

  expect "evolution_beats_random_on_darcy" {
    kind  = "own"
    claim = "Regularized evolution is better than random sampling on Darcy Flow: lower end of the interval of its gain"
    value = self.gain["darcy"]["evolution"].ci_low
    min   = 0
  }

  expect "reinforce_beats_random_on_ninapro" {
    kind     = "own"
    claim    = "REINFORCE is better than random sampling on NinaPro: gain"
    value    = self.gain["ninapro"]["reinforce"].ci_low
    interval = [self.gain["ninapro"]["reinforce"].ci_low, self.gain["ninapro"]["reinforce"].ci_high]
    min      = 0
  }

  expect "reinforce_beats_random_on_darcy" {
    kind  = "own"
    claim = "REINFORCE is better than random sampling on Darcy Flow: lower end of the interval of its gain"
    value = self.gain["darcy"]["reinforce"].ci_low
    min   = 0
  }
}

hypothesis "algorithm_comparison" "fidelities" {
  description = "Vision tasks: few epochs for many architectures against many epochs for few. Searches with 200 epochs look at the test accuracy there."
  searches = {
    for task in keys(local.vision) : task => {
      for name, s in {
        random    = search.random_long[task]
        evolution = search.evolution_long[task]
        hyperband = search.hyperband[task]
        asha      = search.asha[task]
        bohb      = search.bohb[task]
      } : name => { results = s.results, incumbent = s.incumbent, optimum = s.optimum }
    }
  }
  labels = merge({ for task in keys(local.vision) : task => local.labels[task] }, local.fidelities)
  seed   = var.seed

  expect "bohb_beats_hyperband" {
    kind  = "own"
    claim = "BOHB's model helps: its mean rank is better than Hyperband's, upper end of its interval below the lower end of Hyperband's"
    value = self.mean_rank["bohb"].ci_high
    max   = self.mean_rank["hyperband"].ci_low
  }

  expect "hyperband_beats_random" {
    kind  = "own"
    claim = "Hyperband with 12 and 200 epochs is better than random sampling with 12, for the same epochs, on each vision task: lowest end of the intervals of its gain"
    value = min([for task, g in self.gain : g["hyperband"].ci_low]...)
    min   = 0
  }
}
