# Table 2 of NAS-Bench-360 (Tu et al., arXiv 2110.05668, preprint of July 2022): the
# error of every method on every task, mean and standard deviation over 3 seeds, lower
# is better. nb360_results.csv holds it as printed; an empty value is n/a. Tables 3,
# Figures 1, 2 and 6 and appendix C are made of it. nb360_costs.csv holds Table 5
# (GPU hours on a V100), Tables 7 and 8 (parameters, FLOPs) and Table 4's errors.

locals {
  # Names in the files to names here.
  method_names = {
    "WRN default"          = "wrn"
    "WRN ASHA"             = "wrn_asha"
    "DenseNAS original"    = "densenas"
    "DenseNAS random"      = "densenas_random"
    "DARTS GAEA"           = "gaea"
    "Auto-DL DARTS"        = "auto_dl"
    "AMBER ENAS"           = "amber"
    "Perceiver IO default" = "perceiver"
    "XGBoost default"      = "xgboost"
    "Expert default"       = "expert"
  }
  task_names = {
    "CIFAR-100"  = "cifar100"
    "Spherical"  = "spherical"
    "NinaPro"    = "ninapro"
    "FSD50K"     = "fsd50k"
    "Darcy Flow" = "darcy"
    "PSICOV"     = "psicov"
    "Cosmic"     = "cosmic"
    "ECG"        = "ecg"
    "Satellite"  = "satellite"
    "DeepSEA"    = "deepsea"
  }

  table2 = [for r in csvdecode(file("nb360_results.csv")) : merge(r, {
    method = local.method_names["${r.method_space} ${r.method_algo}"]
    task   = local.task_names[r.task]
  })]
  errors = { for m in values(local.method_names) : m => {
    for r in local.table2 : r.task => { value = r.mean == "" ? null : tonumber(r.mean), sd = r.std == "" ? null : tonumber(r.std) } if r.method == m
  } }

  # Quantity to method to task.
  costs = { for q in ["gpu_hours_V100", "params_M", "GFLOPs"] : q => {
    for m in values(local.method_names) : m => {
      for r in csvdecode(file("nb360_costs.csv")) : local.task_names[r.task] => { value = tonumber(r.mean), sd = r.std == "" ? null : tonumber(r.std) }
      if r.quantity == q && lookup(local.method_names, "${r.method_space} ${r.method_algo}", "") == m
    }
  } }

  method_labels = {
    wrn             = "WRN"
    wrn_asha        = "WRN ASHA"
    densenas        = "DenseNAS"
    densenas_random = "DenseNAS random"
    gaea            = "DARTS GAEA"
    auto_dl         = "Auto-DL"
    amber           = "AMBER"
    perceiver       = "Perceiver IO"
    xgboost         = "XGBoost"
    expert          = "expert"
  }
  task_labels = { for label, task in local.task_names : task => label }

  labels_of_results = merge(local.method_labels, local.task_labels)

  # The paper's three kinds of task.
  tasks_2d_point = ["cifar100", "spherical", "ninapro", "fsd50k"]
  tasks_2d_dense = ["darcy", "psicov", "cosmic"]
  tasks_1d       = ["ecg", "satellite", "deepsea"]
  tasks          = concat(local.tasks_2d_point, local.tasks_2d_dense, local.tasks_1d)

  # The methods of Table 3: Perceiver IO and XGBoost are left out there. The first
  # five do without knowledge of the domain and have all tasks.
  general_methods = ["wrn", "densenas", "densenas_random", "wrn_asha", "gaea"]
  ranked_methods  = concat(local.general_methods, ["auto_dl", "amber"])
}
