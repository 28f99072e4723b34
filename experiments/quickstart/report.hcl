# A first experiment: it needs no network, no data and no GPU. A data set is made,
# cells are searched and trained (darcy.hcl), the space of cells is looked at
# (space.hcl), and a report is written:
#
#     nbpipe run experiments/quickstart
#
# Run it twice: the second time nothing is left to do.

report "html" "page" {
  title      = "A first experiment: search, training, and what a cell costs"
  hypotheses = [hypothesis.search_helps, hypothesis.convolutions_help, hypothesis.cost]
  summary    = "A toy of neural architecture search on Darcy Flow at 32 x 32, made and trained here; and parameters and multiply-accumulates of all 15,625 cells of NAS-Bench-201, computed from the cells alone."
  figures = {
    "The winner's training: relative L2 error over epochs, a line a seed."                         = retrain.winner.curves
    "Two test samples: coefficient, pressure, what the winner makes of it, and where it is wrong." = retrain.winner.fields
  }
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.page.page
}
