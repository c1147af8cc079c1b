"""Names in the wild: what nvidia-smi, MLPerf, InferenceX and model hubs write, and what of it the catalogues have."""

from __future__ import annotations

import pytest

import hardware_specs as hs
from roofline.measurements import names

# As nvidia-smi -L, amd-smi static, hl-smi, xpu-smi, MLPerf's submissions and InferenceX write them. The variants are
# the vendors': an A100 of 40 GB, an H100 PCIe (HBM2e) or NVL, a GH200 of 144 GB, an MI250X or a Max-Q board is another
# device than its namesake, and None where the catalogue has none.
ACCELERATORS = {
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100-SXM-80GB": "h100-sxm",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H100-PCIe-80GB": "h100-pcie",
    "NVIDIA H100 80GB HBM2e": "h100-pcie",
    "NVIDIA H100 NVL": "h100-nvl",
    "NVIDIA H200": "h200-sxm",
    "NVIDIA H200-SXM-141GB-CTS": "h200-sxm",
    "NVIDIA H200 NVL": None,
    "NVIDIA H20": None,
    "NVIDIA H800": None,
    "NVIDIA A800-SXM4-80GB": None,
    "NVIDIA A100-SXM4-40GB": "a100-sxm-40gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA A100-PCIE-40GB": None,
    "NVIDIA A100 80GB PCIe": None,
    "NVIDIA GH200 480GB": "gh200-96gb",  # 480 GB are those of its CPU
    "NVIDIA GH200 144G HBM3e": "gh200-144gb",
    "NVIDIA B200": "b200",
    "NVIDIA B200-SXM-180GB": "b200",
    "NVIDIA GB200": "gb200",
    "NVIDIA B300 SXM6 AC": "b300",
    "NVIDIA GB300": "gb300",
    "NVIDIA L40S": "l40s",
    "NVIDIA L40": None,
    "NVIDIA L4": None,
    "Tesla V100-SXM2-16GB": "v100-sxm",
    "Tesla V100-SXM2-32GB": None,
    "Tesla V100-PCIE-16GB": None,
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090 D": None,
    "NVIDIA GeForce RTX 4090 Laptop GPU": None,
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx-pro-6000-server",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": "rtx-pro-6000-workstation",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": None,
    "AMD Instinct MI300X OAM": "mi300x",
    "AMD Instinct MI300X 192GB HBM3": "mi300x",
    "AMD Instinct MI300A": None,
    "AMD Instinct MI325X 256GB HBM3e": "mi325x",
    "AMD Instinct MI355X": "mi355x",
    "AMD Instinct MI250X": "mi250x",
    "AMD MI250 GPU": "mi250",
    "AMD Instinct MI210": "mi210",
    "AMD Instinct MI100": None,
    "Intel(R) Data Center GPU Max 1550": "max-1550",
    "Intel PVC GPU": "max-1550",
    "HL-225H": "gaudi-2",
    "HL-325L": "gaudi-3",
    "Habana Gaudi2": "gaudi-2",
    "SambaNova SN40L": "sn40l",
    "TPU v5 lite": "tpu-v5e",
    "trn2": "trainium2",
    # InferenceX: product, often with who runs it or in what rack.
    "h100": "h100-sxm",
    "h100-cw": "h100-sxm",
    "cluster:h100-dgxc": "h100-sxm",
    "h200-nv": "h200-sxm",
    "b200": "b200",
    "b200-trt": "b200",
    "b300-nv": "b300",
    "gb200 nvl72": "gb200",
    "gb200-nv": "gb200",
    "gb300-nv": "gb300",
    "mi300x-amd": "mi300x",
    "mi325x-tw": "mi325x",
    "mi355x": "mi355x",
    "gaudi3": "gaudi-3",
}

LLMS = {
    "meta-llama/Llama-2-7b-hf": "llama-2-7b",
    "/models/Llama-3.1-8B-Instruct/": "llama-3.1-8b",
    "unsloth/Meta-Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8": "llama-3.1-8b",
    "hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4": "llama-3.1-70b",
    "nvidia/Llama-3.3-70B-Instruct-FP8": "llama-3.3-70b",
    "amd/Llama-3.3-70B-Instruct-FP8-KV": "llama-3.3-70b",
    "amd/Llama-3.3-70B-Instruct-MXFP4-Preview": "llama-3.3-70b",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": "llama-4-scout",
    "deepseek-ai/DeepSeek-R1-0528": "deepseek-r1",
    "nvidia/DeepSeek-R1-0528-FP4-V2": "deepseek-r1",
    "amd/DeepSeek-R1-0528-MXFP4-Preview": "deepseek-r1",
    "dsr1": "deepseek-r1",
    "openai/gpt-oss-120b": "gpt-oss-120b",
    "gptoss120b": "gpt-oss-120b",
    "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": "qwen3-235b-a22b-2507",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b",
    "llama2-70b-99.9": "llama-2-70b",
    "mixtral-8x7b": "mixtral-8x7b",
    "llama3.1-405b": "llama-3.1-405b",
    "some-lab/a-model-of-their-own": None,
    "resnet50": None,
}

PRECISIONS = {
    "bfloat16": "bf16",
    "torch.float16": "fp16",
    "float8_e4m3fn": "fp8",
    "w8a8_fp8": "fp8",
    "w8a8_int8": "int8",
    "awq_marlin": "w4a16",
    "modelopt_fp4": "nvfp4",
    "auto": None,
    "": None,
}

FRAMEWORKS = {
    "vllm": "vLLM",
    "trt": "TensorRT-LLM",
    "trtllm": "TensorRT-LLM",
    "sglang": "SGLang",
    "dynamo-trtllm": "Dynamo TensorRT-LLM",
    "Deepspeed-MII": "DeepSpeed-MII",
    "sambaflow": "SambaFlow",
    "something else": "something else",
}


@pytest.mark.parametrize(("name", "key"), ACCELERATORS.items())
def test_an_accelerator_is_the_one_that_its_name_means(name, key):
    # published: the vendors' product names; hand for what the catalogue lacks, which is not another device.
    found = names.accelerator(name)
    assert (found.key if found else None) == key
    assert key is None or hs.get(key).key == key


@pytest.mark.parametrize(("name", "certain"), {"h100-cw": False, "NVIDIA H100 80GB HBM3": True,
                                               "Nvidia A100 GPU": False, "A100-SXM": False,
                                               "NVIDIA GH200 480GB": True}.items())  # fmt: skip
def test_a_name_that_leaves_the_module_open_says_so(name, certain):
    # hand: the H100 comes as SXM, PCIe and NVL, the A100 with 40 and 80 GB.
    assert names.accelerator(name).certain is certain


@pytest.mark.parametrize(("name", "key"), LLMS.items())
def test_a_release_has_the_shapes_of_its_model(name, key):
    # published: the hubs' model cards; a quantised or tuned release changes no shape.
    found = names.llm(name)
    assert (found.key if found else None) == key


@pytest.mark.parametrize(("name", "policy"), PRECISIONS.items())
def test_a_precision_is_the_policy_that_its_name_means(name, policy):
    # hand: W8A8 with its format named; "auto" is that of the checkpoint, which the name does not tell.
    assert names.precision(name) == policy


@pytest.mark.parametrize(("name", "framework"), FRAMEWORKS.items())
def test_a_framework_is_written_one_way(name, framework):
    # hand: the project's own spelling; what nobody knows stays as it is.
    assert names.framework(name) == framework
