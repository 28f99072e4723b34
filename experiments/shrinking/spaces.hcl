# Shrinking the space before it is searched. LISSNAS (Gopal et al., IJCAI 2023) keeps
# pockets around good architectures instead of pruning operations. Its sample sizes and
# its index of shrinking are not known to us, so that no number of the paper is claimed:
# every reading is ours.

search "lissnas" "pockets" {
  description = "Pockets: the neighbours of the best of a sample, round by round."
  for_each    = local.cases
  table       = each.value.table
  task        = each.value.task
  report      = each.value.report
  epochs      = each.value.epochs
  direction   = each.value.direction
  sample      = var.sample
  seeds       = var.pockets
  budget      = each.value.budget
  runs        = var.runs
  seed        = var.seed
}

# The smallest space that pruning may leave is as large as pockets that do not overlap,
# so that pruned spaces are cut to the size of the pockets and not these to theirs.

search "operation_pruning" "operations" {
  description = "The operation with the lowest average is removed from all edges: 4,096 architectures are left, then 729."
  for_each    = local.cases
  table       = each.value.table
  task        = each.value.task
  report      = each.value.report
  epochs      = each.value.epochs
  direction   = each.value.direction
  sample      = var.sample
  size        = 25 * var.pockets
  budget      = each.value.budget
  runs        = var.runs
  seed        = var.seed
}

search "operation_pruning" "edge_operations" {
  description = "The operation with the lowest average at its edge is removed there. More steps, so that each can afford a smaller sample."
  for_each    = local.cases
  table       = each.value.table
  task        = each.value.task
  report      = each.value.report
  epochs      = each.value.epochs
  direction   = each.value.direction
  per_edge    = true
  sample      = ceil(var.sample / 2)
  size        = 25 * var.pockets
  budget      = each.value.budget
  runs        = var.runs
  seed        = var.seed
}

hypothesis "space_shrinking" "spaces" {
  for_each    = { for budget in var.budgets : budget => budget }
  description = "${each.key} evaluations a run. What LISSNAS leaves of the space, beside as many architectures of pruned spaces and drawn at random. Vision tasks: shrunk by validation accuracy after 12 epochs, judged by test accuracy after 200. NinaPro and Darcy Flow have one value an architecture: oracles."
  tasks = {
    for name, t in local.tasks : name => {
      table = t.table, task = t.task, report = t.report, direction = t.direction
      spaces = {
        pockets         = search.pockets["${name}_${each.key}"].spaces
        operations      = search.operations["${name}_${each.key}"].spaces
        edge_operations = search.edge_operations["${name}_${each.key}"].spaces
      }
    }
  }
  labels = merge(local.labels, {
    pockets         = "LISSNAS pockets"
    operations      = "operations pruned"
    edge_operations = "pruned edge by edge"
    random          = "random draws"
  })
  seed = var.seed

  # A method passes on a group of tasks when the lowest of the lower ends of its
  # intervals there is above the limit.

  expect "vision_pockets_are_good" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than the whole space, on each vision task: lowest end of the intervals of the gain"
    value = min([for task in local.vision_tasks : self.mean_gain[task]["pockets"].ci_low]...)
    min   = 0
  }

  expect "ninapro_pockets_are_good" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than the whole space, on NinaPro (oracle): lower end of the interval of the gain"
    value = self.mean_gain["ninapro"]["pockets"].ci_low
    min   = 0
  }

  expect "darcy_pockets_are_good" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than the whole space, on Darcy Flow (oracle): lower end of the interval of the gain"
    value = self.mean_gain["darcy"]["pockets"].ci_low
    min   = 0
  }

  expect "vision_pockets_keep_the_top" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets hold a larger share of the true best 1 % than random draws of their number, on each vision task: lowest end of the intervals of the difference"
    value = min([for task in local.vision_tasks : self.advantage[task]["random"].recall.ci_low]...)
    min   = 0
  }

  expect "ninapro_pockets_keep_the_top" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets hold a larger share of the true best 1 % than random draws of their number, on NinaPro (oracle): lower end of the interval of the difference"
    value = self.advantage["ninapro"]["random"].recall.ci_low
    min   = 0
  }

  expect "darcy_pockets_keep_the_top" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets hold a larger share of the true best 1 % than random draws of their number, on Darcy Flow (oracle): lower end of the interval of the difference"
    value = self.advantage["darcy"]["random"].recall.ci_low
    min   = 0
  }

  expect "vision_gain_beats_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than what is left when operations are pruned, on each vision task: lowest end of the intervals of the difference"
    value = min([for task in local.vision_tasks : self.advantage[task]["operations"].mean_gain.ci_low]...)
    min   = 0
  }

  expect "ninapro_gain_beats_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than what is left when operations are pruned, on NinaPro (oracle): lower end of the interval of the difference"
    value = self.advantage["ninapro"]["operations"].mean_gain.ci_low
    min   = 0
  }

  expect "darcy_gain_beats_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than what is left when operations are pruned, on Darcy Flow (oracle): lower end of the interval of the difference"
    value = self.advantage["darcy"]["operations"].mean_gain.ci_low
    min   = 0
  }

  expect "vision_recall_beats_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets keep more of the true best 1 % than what is left when operations are pruned, on each vision task: lowest end of the intervals of the difference"
    value = min([for task in local.vision_tasks : self.advantage[task]["operations"].recall.ci_low]...)
    min   = 0
  }

  expect "ninapro_recall_beats_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets keep more of the true best 1 % than what is left when operations are pruned, on NinaPro (oracle): lower end of the interval of the difference"
    value = self.advantage["ninapro"]["operations"].recall.ci_low
    min   = 0
  }

  expect "darcy_recall_beats_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets keep more of the true best 1 % than what is left when operations are pruned, on Darcy Flow (oracle): lower end of the interval of the difference"
    value = self.advantage["darcy"]["operations"].recall.ci_low
    min   = 0
  }

  expect "vision_gain_beats_edges" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than what is left when operations are pruned edge by edge, on each vision task: lowest end of the intervals of the difference"
    value = min([for task in local.vision_tasks : self.advantage[task]["edge_operations"].mean_gain.ci_low]...)
    min   = 0
  }

  expect "ninapro_gain_beats_edges" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than what is left when operations are pruned edge by edge, on NinaPro (oracle): lower end of the interval of the difference"
    value = self.advantage["ninapro"]["edge_operations"].mean_gain.ci_low
    min   = 0
  }

  expect "darcy_gain_beats_edges" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets have a better average than what is left when operations are pruned edge by edge, on Darcy Flow (oracle): lower end of the interval of the difference"
    value = self.advantage["darcy"]["edge_operations"].mean_gain.ci_low
    min   = 0
  }

  expect "vision_recall_beats_edges" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets keep more of the true best 1 % than what is left when operations are pruned edge by edge, on each vision task: lowest end of the intervals of the difference"
    value = min([for task in local.vision_tasks : self.advantage[task]["edge_operations"].recall.ci_low]...)
    min   = 0
  }

  expect "ninapro_recall_beats_edges" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets keep more of the true best 1 % than what is left when operations are pruned edge by edge, on NinaPro (oracle): lower end of the interval of the difference"
    value = self.advantage["ninapro"]["edge_operations"].recall.ci_low
    min   = 0
  }

  expect "darcy_recall_beats_edges" {
    kind  = "own"
    claim = "${each.key} evaluations: Pockets keep more of the true best 1 % than what is left when operations are pruned edge by edge, on Darcy Flow (oracle): lower end of the interval of the difference"
    value = self.advantage["darcy"]["edge_operations"].recall.ci_low
    min   = 0
  }

  # Several pockets, where pruning keeps one.

  expect "several_pockets" {
    kind  = "own"
    claim = "${each.key} evaluations: LISSNAS keeps more than one pocket a run on each task: lowest end of the intervals of their mean number"
    value = min([for task, m in self.pockets : m["pockets"].ci_low]...)
    min   = 1
  }

  expect "pockets_are_more_diverse" {
    kind  = "own"
    claim = "${each.key} evaluations: Two members of the pockets differ on more edges than two of what edge-by-edge pruning leaves, on each task: lowest end of the intervals of the difference"
    value = min([for task, a in self.advantage : a["edge_operations"].diversity.ci_low]...)
    min   = 0
  }

  # Do 12 epochs still rank what is left? tau-b with 200 epochs.

  expect "few_epochs_rank_pockets" {
    kind  = "own"
    claim = "${each.key} evaluations: After 12 epochs, architectures rank inside the pockets as well as among all, on each vision task: lowest of tau-b inside less tau-b of all"
    value = min([for task in local.vision_tasks : self.tau[task]["pockets"].value - self.tau_all[task].value]...)
    min   = 0

    # Of all architectures tau-b is exact.
    interval = [
      min([for task in local.vision_tasks : self.tau[task]["pockets"].ci_low - self.tau_all[task].value]...),
      min([for task in local.vision_tasks : self.tau[task]["pockets"].ci_high - self.tau_all[task].value]...),
    ]
  }

  expect "few_epochs_rank_pockets_better_than_operations" {
    kind  = "own"
    claim = "${each.key} evaluations: After 12 epochs, architectures rank better inside the pockets than where operations were pruned, on each vision task: lowest end of the intervals of the difference of tau-b"
    value = min([for task in local.vision_tasks : self.advantage[task]["operations"].tau.ci_low]...)
    min   = 0
  }
}
