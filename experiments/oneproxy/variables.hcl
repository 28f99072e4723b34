variable "seed" {
  type        = number
  default     = 777
  description = "Seed of every resampling in this experiment."
}

variable "resamples" {
  type        = number
  default     = 2000
  description = "Resamples of isomorphism classes behind each interval of an SRCC."

  validation {
    condition     = var.resamples >= 1000
    error_message = "With fewer than 1000 resamples the ends of an interval depend on the seed."
  }
}

variable "strong" {
  type        = number
  default     = 0.9
  description = "SRCC from which latency monotonicity is strong: the paper's limit."
}

locals {
  devices = keys(local.latency_files)
  labels = {
    eagle_cpu_855   = "CPU 855"
    eagle_dsp_855   = "DSP 855"
    eagle_gpu_855   = "GPU 855"
    eagle_gtx       = "GTX"
    eagle_i7        = "i7"
    eagle_jetson    = "Jetson"
    eagle_jetson_16 = "Jetson, 16 bit"
    eagle_tpu       = "TPU of Eagle"
    rice_edgegpu    = "Edge GPU"
    rice_edgetpu    = "Edge TPU"
    rice_eyeriss    = "Eyeriss"
    rice_fpga       = "FPGA"
    rice_pixel3     = "Pixel 3"
    rice_raspi4     = "Raspberry Pi 4"
    true_630        = "Adreno 630"
    true_640        = "Adreno 640"
    true_a76        = "Cortex-A76"
    true_vpu        = "Myriad VPU"
  }

  # Device, framework and task of HW-NAS-Bench-360; the Pixel ran LiteRT only.
  hardware = merge([
    for task in ["cifar100", "ninapro", "darcy"] : {
      for run in ["pi5_litert", "pi5_onnx", "pi5_torchmobile", "pixel_litert"] :
      "${run}_${task}" => { device = split("_", run)[0], framework = split("_", run)[1], task = task }
    }
  ]...)
  hardware_labels = {
    for name, h in local.hardware :
    name => "${ { pi5 = "Pi 5", pixel = "Pixel" }[h.device]} ${ { litert = "LiteRT", onnx = "ONNX", torchmobile = "Torch" }[h.framework]} ${ { cifar100 = "CIFAR", ninapro = "NinaPro", darcy = "Darcy" }[h.task]}"
  }
}

variable "runs" {
  type        = number
  default     = 20
  description = "Draws of cells that AdaProxy is run with."
}
