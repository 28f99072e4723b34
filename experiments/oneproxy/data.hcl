# The published measurements. All files are pinned: a mirror folder that holds
# the same bytes under any name serves as well (nbpipe run --mirror FOLDER).

locals {
  oneproxy = "https://raw.githubusercontent.com/Ren-Research/OneProxy/e3c9b2c65113e16f1208988287810b283674f4de"

  latency_files = {
    eagle_cpu_855   = { size = 18009, sha256 = "52949542d89c1acc223ee723be736247b29c7b530c72e382af6f9398b82b5102" }
    eagle_dsp_855   = { size = 18009, sha256 = "89868844995af830d347b9bd4ae8d4afd7610cb62f604997adb04548d6695d53" }
    eagle_gpu_855   = { size = 18009, sha256 = "550f44b04f6c816f7c757a592924f0ac46de252d84fbcb845f6cf5b34c5b51e5" }
    eagle_gtx       = { size = 38084, sha256 = "46f247a949eb79ac8383f4b88ffd575abe272dc87da1cdbe8a859405bdee6c4a" }
    eagle_i7        = { size = 38084, sha256 = "a49724cf2037cb6f56899e898b1f717f3b1fd33a9fa1c5525f74228fa2f3ab8e" }
    eagle_jetson    = { size = 38084, sha256 = "6daeeebe5181c79f942b923f73f71f404b66853df4b8b9e5d713e8907008720e" }
    eagle_jetson_16 = { size = 38084, sha256 = "78273cb35b47d4778390c4e07fdeaf5444e7b49122b5fe2fdbc5ce89dc39025b" }
    eagle_tpu       = { size = 38084, sha256 = "0486c2beaca18c3f3a2eb427b6c5a36921596e95adebf2f4c241ee9be3aad9ea" }
    rice_edgegpu    = { size = 18009, sha256 = "aba9f61d01d05d1fb2171a71bb6cb32445c4f92f02103b408d47438f1f9695b5" }
    rice_edgetpu    = { size = 18009, sha256 = "f07a27890ed74945defeab32576bec7ac293c79973925960056a898326e3e8f5" }
    rice_eyeriss    = { size = 18009, sha256 = "49acea9e8c9b6a7464f0725e59177f7caeb6d11aa562a37e8eba9094f125cb11" }
    rice_fpga       = { size = 18009, sha256 = "5101ede0998a799769dc376c586eda2a18254a22935c4e066cd732d21038555a" }
    rice_pixel3     = { size = 18009, sha256 = "6c5c1cda363c94a66d4e633513f6d65b13d3ce5afe4fd389bceed8db8d2d169f" }
    rice_raspi4     = { size = 18009, sha256 = "668ee4b9b5a93245d1950802ba7d5ab265d24d50ef65e62c602b38b047e9167e" }
    true_630        = { size = 18009, sha256 = "efcb6d1e06c398dd57a2de9839446378ee389063a3951ce8873c0879a7776fce" }
    true_640        = { size = 18009, sha256 = "717c48c89550261dc33e728ee09a2402c137f81e89cabf250ff1c761e90813b7" }
    true_a76        = { size = 18009, sha256 = "fa15edb0643428c36969de211b4359678184a873d7ff7ebd0ceecc1891bacf3a" }
    true_vpu        = { size = 18009, sha256 = "22585d0cc2b6d92bfc98a9ce33f031dadd4a17a6e7ec5c3745ab6308c8d884bd" }
  }
}

dataset "fetch" "latency" {
  description = "Latencies of 1,999 cells of NAS-Bench-201 on one device, as a pickled list. true_* are from nn-Meter, rice_* from HW-NAS-Bench, eagle_* from Eagle."
  for_each    = local.latency_files
  url         = "${local.oneproxy}/latency_data/${each.key}.pickle"
  sha256      = each.value.sha256
  size        = each.value.size
  licence     = "MIT"
}

dataset "fetch" "encoding" {
  description = "Which 1,999 cells these are: 30 zeros and ones, and a constant, for each of them."
  url         = "${local.oneproxy}/encode.pickle"
  sha256      = "e185be53421b6addd872e3a4fb4d2ad2a55bf8c06eb50c0213d4b921bde9343f"
  size        = 131970
  licence     = "MIT"
}

dataset "fetch" "nats" {
  description = "NATS-Bench, topology search space: test accuracies of all 15,625 architectures after 200 epochs on the three vision tasks."
  url         = "https://raw.githubusercontent.com/v-tao/nats-bench-landscape/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
  sha256      = "cb5d777ec3368be83c8f9b3aa4d520696051cb0eb8d94b8f85b519f9ea4afa3e"
  size        = 3024008
  licence     = "none stated in the repository"
}

dataset "fetch" "hardware" {
  description = "HW-NAS-Bench-360: latencies of the networks of three tasks on two devices, measured on the 6,466 class representatives and copied to the other cells."
  url         = "https://raw.githubusercontent.com/roldebijvank/HW-NAS-Bench-360/a9b243e07fb8f0671ee56587696e7b8ef1ca702d/results/dataset.parquet"
  sha256      = "d3ce4198e31564486b7194ba28507bea3867cb16a2587d68d82e3b62cfff4cce"
  size        = 3119939
  licence     = "none stated in the repository"
}
