"""The shipped catalogue: complete, sourced, consistent, and equal to the facts it was written from."""

import csv
import os
import subprocess
import sys

import pytest

import hardware_specs as hs
from hardware_specs._base import IDENTITY_FIELDS, field_paths, leaves

ACCELERATORS = hs.names()
SERVERS = hs.server_names()

CSV_KEYS = {
    "V100 SXM2": "v100-sxm",
    "A100 SXM 40GB": "a100-sxm-40gb",
    "A100 SXM 80GB": "a100-sxm-80gb",
    "A10": "a10",
    "L4": "l4",
    "L40S": "l40s",
    "H100 SXM5": "h100-sxm",
    "H100 PCIe": "h100-pcie",
    "H100 NVL (per GPU)": "h100-nvl",
    "H200 SXM": "h200-sxm",
    "GH200 96GB": "gh200-96gb",
    "GH200 144GB": "gh200-144gb",
    "B200 (HGX)": "b200",
    "B300 (HGX)": "b300",
    "GB200 (per GPU)": "gb200",
    "GB300 (per GPU)": "gb300",
    "RTX PRO 6000 Blackwell Workstation": "rtx-pro-6000-workstation",
    "RTX PRO 6000 Blackwell Server": "rtx-pro-6000-server",
    "RTX 4090": "rtx-4090",
    "MI210": "mi210",
    "MI250": "mi250",
    "MI250X": "mi250x",
    "MI300X": "mi300x",
    "MI325X": "mi325x",
    "MI355X": "mi355x",
    "Intel Data Center GPU Max 1550": "max-1550",
    "Gaudi 2 (HL-225 OAM)": "gaudi-2",
    "Gaudi 3 OAM (HL-325L)": "gaudi-3",
    "Gaudi 3 PCIe (HL-338)": "gaudi-3-pcie",
    "TPU v5e": "tpu-v5e",
    "TPU v5p": "tpu-v5p",
    "TPU v6e (Trillium)": "tpu-v6e",
    "TPU v7 (Ironwood, TPU7x)": "tpu-v7",
    "Trainium1": "trainium1",
    "Trainium2": "trainium2",
    "Trainium3": "trainium3",
    "Inferentia2": "inferentia2",
    "Cerebras WSE-3 / CS-3": "cs-3",
    "SambaNova SN40L": "sn40l",
    "Groq LPU v1 (GroqChip)": "groq-lpu-v1",
    "Qualcomm AI 100 Ultra": "ai-100-ultra",
}

CSV_FIELDS = {  # column -> (field, factor from the column's unit to the field's)
    "fp64_vec": ("vector_tflops.fp64", 1),
    "fp32_vec": ("vector_tflops.fp32", 1),
    "fp64_tensor": ("peak_tflops.fp64", 1),
    "tf32_dense": ("peak_tflops.tf32", 1),
    "bf16_dense": ("peak_tflops.bf16", 1),
    "fp16_dense": ("peak_tflops.fp16", 1),
    "fp8_dense": ("peak_tflops.fp8", 1),
    "int8_dense": ("peak_tflops.int8", 1),
    "fp6_dense": ("peak_tflops.fp6", 1),
    "fp4_dense": ("peak_tflops.fp4", 1),
    "bf16_sparse": ("sparse_tflops.bf16", 1),
    "fp8_sparse": ("sparse_tflops.fp8", 1),
    "int8_sparse": ("sparse_tflops.int8", 1),
    "fp4_sparse": ("sparse_tflops.fp4", 1),
    "tf32_sparse": ("sparse_tflops.tf32", 1),
    "mem_bw_GBs": ("memory.bandwidth_tb_s", 1e-3),
    "mem_visible_MiB": ("memory.capacity_gib", 1 / 1024),
    "onchip_bw_TBs": ("on_chip.bandwidth_tb_s", 1),
    "scaleup_uni_GBs": ("scale_up.one_way_gb_s", 1),
    "host_uni_GBs": ("host_link.one_way_gb_s", 1),
    "tdp_W": ("tdp_w", 1),
    "launch_year": ("year", 1),
    "sfu_exp_Tops": ("exp_tera_per_s", 1),
}

EXCEPTIONS = {  # (key, field): (value here, why it is not the table's)
    ("rtx-4090", "peak_tflops.fp16"): (165.2, "with FP32 accumulation, as the notes to the table pick"),
    ("gb300", "exp_tera_per_s"): (10.7, "the datasheet's figure, as the notes to the table pick"),
    ("cs-3", "sparse_tflops.bf16"): (None, "the table's AI figure is FP16: sparse_tflops.fp16 holds it"),
    ("cs-3", "on_chip.bandwidth_tb_s"): (None, "the SRAM is main memory"),
    ("groq-lpu-v1", "on_chip.bandwidth_tb_s"): (None, "the SRAM is main memory"),
}


def value(entry, field):
    return leaves(entry).get(field)


# -- provenance --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ACCELERATORS)
def test_every_value_of_an_accelerator_has_a_source(key):
    machine = hs.get(key)
    assert machine.vendor
    for field in leaves(machine):
        if field.partition(".")[0] not in IDENTITY_FIELDS:
            assert machine.source(field) not in ("", "user"), field
    for price in (*machine.prices, *machine.rents):
        assert price.source != "user"
        assert price.date
        assert not price.private


@pytest.mark.parametrize("key", SERVERS)
def test_every_value_of_a_server_has_a_source(key):
    server = hs.get_server(key)
    for field in leaves(server):
        if field.partition(".")[0] not in IDENTITY_FIELDS:
            assert server.source(field) not in ("", "user"), field
    assert server.price is None or not server.price.private


@pytest.mark.parametrize("key", hs.rack_names())
def test_every_value_of_a_rack_has_a_source(key):
    rack = hs.get_rack(key)
    assert "default" in rack.sources
    assert rack.source("power_kw") == rack.sources["default"]


@pytest.mark.parametrize(
    "entry", [*map(hs.get, ACCELERATORS), *map(hs.get_server, SERVERS)], ids=lambda entry: entry.key
)
def test_no_source_is_stale(entry):
    """A source belongs to a value that is there; a note may also explain why one is absent."""
    known = set(field_paths(type(entry)))
    assert set(entry.sources) <= known | {"default"}
    assert set(entry.notes) <= known
    for field in entry.sources:
        assert field == "default" or entry.source(field) == entry.sources[field]


def test_a_modelled_power_stays_visible():
    for key in ("mi300x-8gpu", "mi355x-8gpu", "l40s-8gpu", "rtx-pro-6000-8gpu"):
        assert "not a vendor figure" in hs.get_server(key).source("power_w")


# -- published figures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "fmt", "tflops", "tdp_w"),
    [
        ("v100-sxm", "fp16", 125, 300),
        ("a100-sxm-80gb", "bf16", 312, 400),
        ("h200-sxm", "bf16", 989, 700),
        ("b300", "bf16", 2250, 1100),  # 1,200 W in print: errata, corrected by the later datasheet
    ],
)
def test_kim_table_1(key, fmt, tflops, tdp_w):
    """Published: Kim et al., Table I, rounded to the TFLOPS."""
    machine = hs.get(key)
    assert machine.peak_flops(fmt) == pytest.approx(tflops * 1e12, abs=0.5e12)
    assert machine.tdp_w == tdp_w


def test_kim_section_4d_ridge_point():
    """Published: Kim et al., IV-D, reckoned with 2.4 TB/s; hand: 865 / 2.45."""
    gaudi2 = hs.get("gaudi-2")
    assert gaudi2.ridge_point("fp8") == pytest.approx(353.06, abs=0.01)
    printed = gaudi2.replace(memory=gaudi2.memory.replace(bandwidth_tb_s=2.4))
    assert printed.ridge_point("fp8") == pytest.approx(360, abs=0.5)


def test_kim_section_6c_vector_rates():
    """Published: Kim et al., VI-C."""
    assert [hs.get(key).vector_tflops.bf16 for key in ("gaudi-2", "gaudi-3", "h200-sxm")] == [11, 28.7, 133.8]


@pytest.mark.parametrize("key", ["h100-sxm", "h200-sxm", "gh200-96gb", "gh200-144gb"])
def test_kim_table_7_peak(key):
    """Published: Kim et al., Table VII, 1388 TFLOPS is 70.1 %, 1300 is 65.7 %."""
    peak = hs.get(key).peak_flops("fp8")
    assert peak == 1978.9e12
    assert 1388e12 / peak == pytest.approx(0.701, abs=5e-4)
    assert 1300e12 / peak == pytest.approx(0.657, abs=5e-4)


def test_kim_section_3b_fp8():
    """Published: Kim et al., III-B."""
    gaudi2, gaudi3, h100 = (hs.get(key).fp8 for key in ("gaudi-2", "gaudi-3", "h100-sxm"))
    assert (gaudi2.e4m3_max, gaudi3.e4m3_max, h100.e4m3_max) == (240, 448, 448)
    assert (gaudi2.accumulator_bits, gaudi3.accumulator_bits, h100.accumulator_bits) == (32, 32, 14)
    assert gaudi2.power_of_two_exponents == (-8, -4, 0, 4)
    assert gaudi3.power_of_two_exponents == tuple(range(-32, 32))
    assert hs.get("gaudi-2").structured_sparsity is False


@pytest.mark.parametrize("device", CSV_KEYS)
def test_catalogue_equals_the_facts(shared, device):
    """Regression against the facts sheet: every column, with the listed exceptions."""
    with (shared / "facts" / "accelerators.csv").open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["device"] == device)
    key = CSV_KEYS[device]
    machine = hs.get(key)
    for column, (field, factor) in CSV_FIELDS.items():
        if not row[column]:
            continue
        if (key, field) in EXCEPTIONS:
            assert value(machine, field) == EXCEPTIONS[key, field][0], field
        else:
            assert value(machine, field) == pytest.approx(float(row[column]) * factor, rel=1e-4), field
    if row["mem_visible_MiB"] == "" and row["mem_type"] not in ("SRAM", "on-wafer SRAM"):
        marketed = 16 if key == "v100-sxm" else float(row["mem_GB_marketing"])
        assert machine.memory.capacity_gib == marketed
    if row["onchip_MB"] and machine.on_chip:
        assert machine.on_chip.capacity_mib == float(row["onchip_MB"])


def test_the_facts_hold_every_accelerator(shared):
    with (shared / "facts" / "accelerators.csv").open(newline="", encoding="utf-8") as file:
        devices = [row["device"] for row in csv.DictReader(file)]
    assert {CSV_KEYS[device] for device in devices} == set(ACCELERATORS)


@pytest.mark.parametrize(
    ("key", "nbytes"),
    [
        ("mi300x", 206_141_652_992),
        ("h100-sxm", 81_559 * 2**20),
        ("cs-3", 44e9),
        ("groq-lpu-v1", 0.23e9),
        ("mi355x", 294_896 * 2**20),
    ],
)
def test_memory_in_bytes(key, nbytes):
    """Published: driver print-outs; decimal GB for the SRAM machines."""
    assert hs.get(key).memory_bytes == pytest.approx(nbytes, rel=1e-12)


def test_links_count_one_direction():
    """Published: headline figures of 900, 1800 and 896 GB/s are of both directions."""
    speeds = [hs.get(key).scale_up_bytes_per_s for key in ("h100-sxm", "b200", "mi300x")]
    assert speeds == [450e9, 900e9, 448e9]


def test_prices_carry_their_own_source():
    h100 = hs.get("h100-sxm")
    assert h100.source("prices") == "; ".join(price.source for price in h100.prices)
    assert hs.get_server("dgx-h100").source("price.low_usd") == hs.get_server("dgx-h100").price.source


# -- consistency -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "fmt"), [("gaudi-2", "bf16"), ("gaudi-3", "bf16"), ("gaudi-3", "fp8")])
def test_systolic_arrays_give_the_peak(key, fmt):
    """Sibling: units x rows x columns x 2 x clock."""
    machine = hs.get(key)
    assert machine.matrix_engine.array_tflops == pytest.approx(machine.peak_flops(fmt) / 1e12, rel=2e-3)
    assert machine.matrix_engine.min_width == 128
    assert machine.matrix_engine.reconfigurable


@pytest.mark.parametrize(
    ("key", "fmt", "flops_per_unit_and_clock"),
    [
        ("v100-sxm", "fp16", 1024),
        ("a100-sxm-80gb", "bf16", 2048),
        ("a10", "bf16", 1024),
        ("l4", "bf16", 1024),
        ("h100-sxm", "bf16", 4096),
        ("h200-sxm", "bf16", 4096),
        ("gh200-96gb", "bf16", 4096),
        ("rtx-pro-6000-server", "bf16", 1024),
        ("rtx-4090", "bf16", 512),
        ("mi210", "bf16", 1024),
        ("mi250", "bf16", 1024),
        ("mi250x", "bf16", 1024),
        ("mi300x", "bf16", 2048),
        ("mi355x", "bf16", 4096),
        ("max-1550", "bf16", 4096),
        ("max-1550", "int8", 8192),
    ],
)
def test_units_and_clock_give_the_peak(key, fmt, flops_per_unit_and_clock):
    """Sibling: units x clock x a power of two."""
    machine = hs.get(key)
    engine = machine.matrix_engine
    assert engine.units * engine.clock_mhz * 1e6 * flops_per_unit_and_clock == pytest.approx(
        machine.peak_flops(fmt), rel=3e-3
    )


@pytest.mark.parametrize("key", ["tpu-v5e", "tpu-v5p"])
def test_arrays_of_a_tpu_give_the_peak(key):
    """Sibling: arrays of 128 x 128, two operations per cell and clock."""
    machine = hs.get(key)
    assert machine.matrix_engine.array_tflops == pytest.approx(machine.peak_tflops.bf16, rel=3e-3)


def test_an_array_without_a_shape_gives_no_peak():
    assert hs.get("h100-sxm").matrix_engine.array_tflops is None


@pytest.mark.parametrize(
    ("key", "tile"),
    [
        ("v100-sxm", (8, 8, 8)),  # PTX mma.m8n8k4 in FP16
        ("a100-sxm-80gb", (8, 16, 32)),  # PTX mma.m16n8k16, and m16n8k32 in 8 bits
        ("rtx-4090", (8, 16, 32)),
        ("h100-sxm", (8, 64, 32)),  # PTX wgmma.m64nNk16, N a multiple of 8
        ("gh200-96gb", (8, 64, 32)),
        ("b200", (8, 64, 32)),  # PTX tcgen05.mma with M of 64
        ("mi250", (16, 16, 32)),  # v_mfma_f32_16x16x16f16
        ("mi300x", (16, 16, 32)),
        ("mi355x", (16, 16, 64)),  # v_mfma 16x16x32 in 16 bits
        ("max-1550", (8, 16, 32)),  # XMX: M up to 8, N 16, K 16 in 16 bits
        ("gaudi-2", (128, 128, None)),  # Kim VI-B: no narrower than 128
        ("gaudi-3", (128, 128, None)),
        ("tpu-v5p", (8, 128, 256)),  # scaling book: bf16[8,128] @ bf16[128,128]
        ("trainium2", (64, 128, 256)),  # Neuron: no fewer than 64 cycles for an array of 128 x 128
        ("sn40l", None),
        ("cs-3", None),
    ],
)
def test_tiles_are_those_of_the_instructions(key, tile):
    """Published: the vendors' instruction sets, named with each value in the catalogue."""
    assert hs.get(key).matrix_engine.tile == tile


def test_operands_of_an_h100():
    """Published: FlashAttention-3, Table 1, 31 TB/s of shared memory, from 128 byte per clock and SM at 1.83 GHz."""
    engine = hs.get("h100-sxm").matrix_engine
    assert engine.operand_bytes_per_clock == 128
    assert engine.operand_bytes_per_s == pytest.approx(31e12, rel=0.01)
    assert hs.get("b300").matrix_engine.operand_bytes_per_s is None  # neither it nor a clock is known


@pytest.mark.parametrize("key", ACCELERATORS)
def test_exponentials_have_units_to_run_on(key):
    """Property: whoever has a rate has units; Kim VI-C: the Gaudis have neither."""
    machine = hs.get(key)
    if machine.exp_tera_per_s is not None:
        assert machine.special_function_units is True
    assert (machine.special_function_units is False) == key.startswith("gaudi")


@pytest.mark.parametrize(
    ("key", "topology", "overlaps"),
    [
        ("h100-sxm", "switch", True),
        ("gb200", "switch", True),
        ("v100-sxm", None, True),  # a cube mesh or a switch, by server
        ("gaudi-2", "mesh", False),  # Kim VIII: no asynchronous tensor parallelism
        ("gaudi-3", "mesh", False),
        ("mi250", "mesh", None),
        ("mi300x", "mesh", None),
        ("max-1550", "mesh", None),
        ("tpu-v5e", "torus", None),
        ("inferentia2", "ring", None),
    ],
)
def test_links_join_as_their_vendors_say(key, topology, overlaps):
    link = hs.get(key).scale_up
    assert (link.topology, link.overlaps_compute) == (topology, overlaps)


def test_a_hop_is_quicker_than_its_messages():
    """Published: 0.6 us per ring step over NVLink and 1.0 us over PCIe (NCCL), 0.8 us over xGMI (RCCL)."""
    assert hs.get("h100-sxm").scale_up.latency_s == pytest.approx(0.6e-6)
    assert hs.get("l4").host_link.latency_us == 1.0
    assert hs.get("mi300x").scale_up.latency_us == 0.8
    assert hs.get("gaudi-2").scale_up.latency_s is None


@pytest.mark.parametrize(
    ("key", "tb_s"),
    [
        ("a100-sxm-80gb", 5120 * 1.41e9 / 1e12),  # NVIDIA A100 white paper: byte per clock
        ("v100-sxm", 2048 * 1.53e9 / 1e12),
        ("h100-sxm", 12),  # FlashAttention-3, Table 1
        ("mi300x", 128 * 64 * 2.1e9 / 1e12),  # CDNA 3: channels x byte per clock at 2.1 GHz, 17.2 in print
        ("max-1550", 13),  # Hot Chips 34
    ],
)
def test_on_chip_bandwidth(key, tb_s):
    """Published, to the digits of the source."""
    assert hs.get(key).on_chip.bandwidth_tb_s == pytest.approx(tb_s, rel=2e-3)


def test_batches_of_dataflow_machines():
    """Published: Brunetta IV-C, precompiled for 1 to 8; the GPUs take any."""
    for key in ("cs-3", "sn40l"):
        machine = hs.get(key)
        assert (min(machine.batch_sizes), machine.largest_batch) == (1, 8)
    assert [key for key in ACCELERATORS if hs.get(key).largest_batch is not None] == ["cs-3", "sn40l"]


@pytest.mark.parametrize(
    ("key", "gb_s", "memory_gib"),
    [
        ("mi250", 4 * 50, 64),  # four links of 50 GB/s; Brunetta Table I lists one die's 64 GB
        ("mi250x", 4 * 50, 64),
        ("max-1550", 196, 64),  # measured at Argonne, stack to stack
    ],
)
def test_dies_of_a_package(key, gb_s, memory_gib):
    """Published."""
    package = hs.get(key)
    die = package.die()
    assert package.die_link.one_way_gb_s == die.die_link.one_way_gb_s == gb_s
    assert package.die_link.domain == package.dies == 2
    assert die.memory.capacity_gib == memory_gib
    assert die.source("memory.capacity_gib").startswith("one of 2 dies of: ")


def test_one_device_to_software_is_one_die():
    """B200, B300 and MI300X are several dies that software sees as one device."""
    assert {key for key in ACCELERATORS if hs.get(key).dies > 1} == {"mi250", "mi250x", "max-1550"}
    for key in ACCELERATORS:
        assert (hs.get(key).die_link is None) == (hs.get(key).dies == 1)


@pytest.mark.parametrize("key", ACCELERATORS)
def test_precision_never_costs_speed(key):
    """Property: fewer bits are not slower, but for INT8 and FP64, which some machines gave up."""
    rates = hs.get(key).peak_tflops
    ladder = [rate for rate in (rates.tf32, rates.bf16 or rates.fp16, rates.fp8, rates.fp6, rates.fp4) if rate]
    assert ladder == sorted(ladder)


@pytest.mark.parametrize("key", ACCELERATORS)
def test_sparse_is_about_twice_dense(key):
    """Property, with the exceptions that the catalogue notes or the maker states."""
    machine = hs.get(key)
    apart = {
        ("b300", "fp4"),  # 18,000 / 14,000
        ("rtx-pro-6000-server", "fp4"),  # dense at an observed clock
        ("cs-3", "fp16"),  # an eighth: unstructured sparsity, and dense is derived at an assumed clock
    }
    for fmt in hs.Rates.model_fields:
        dense, sparse = getattr(machine.peak_tflops, fmt), getattr(machine.sparse_tflops, fmt)
        if dense and sparse and (key, fmt) not in apart and not key.startswith("trainium"):
            assert sparse / dense == pytest.approx(2, rel=0.05), fmt


def test_memory_tiers_grow_and_slow_down():
    """Property: each further tier is larger and slower."""
    for key in ACCELERATORS:
        tiers = [tier for _, tier in hs.get(key).memory_tiers]
        sizes = [tier.capacity_bytes for tier in tiers]
        speeds = [tier.bytes_per_s for tier in tiers if tier.bandwidth_tb_s is not None]
        assert sizes == sorted(sizes)
        assert speeds == sorted(speeds, reverse=True)


def test_memory_tiers_of_sn40l():
    assert [name for name, _ in hs.get("sn40l").memory_tiers] == ["on_chip", "memory", "second_tier"]
    assert [name for name, _ in hs.get("cs-3").memory_tiers] == ["memory"]


def test_a_dgx_share_is_an_eighth():
    """Published: $269,000 / 8 = $33,625, printed as 33,600."""
    share = next(price for price in hs.get("h100-sxm").prices if price.basis == "server-share")
    assert share.low_usd * 8 == pytest.approx(hs.get_server("dgx-h100").price.low_usd, rel=2e-3)


# -- what a machine lacks ----------------------------------------------------------------------------------------------


def test_formats_are_those_peak_flops_accepts():
    for key in ACCELERATORS:
        machine = hs.get(key)
        for name in hs.FORMATS:
            if name in machine.formats:
                assert machine.peak_flops(name) > 0
            else:
                with pytest.raises((hs.UnsupportedFormatError, hs.UnknownValueError), match=key):
                    machine.peak_flops(name)


def test_a_lacking_format_names_those_there():
    with pytest.raises(hs.UnsupportedFormatError, match="gaudi-2: no dense matrix peak in fp4; it has bf16, fp8"):
        hs.get("gaudi-2").peak_flops("fp4")
    with pytest.raises(hs.UnsupportedFormatError, match="int4-g128 is a format of stored weights"):
        hs.get("h100-sxm").peak_flops("int4-g128")


def test_block_formats_need_their_scales_in_hardware():
    b200, mi355x, h100 = hs.get("b200"), hs.get("mi355x"), hs.get("h100-sxm")
    assert b200.peak_flops("mxfp4") == b200.peak_flops("nvfp4") == 9000e12
    assert mi355x.peak_flops("mxfp4") == 10066e12
    for machine, fmt in ((mi355x, "nvfp4"), (h100, "mxfp8"), (hs.get("mi300x"), "mxfp8")):
        with pytest.raises(hs.UnsupportedFormatError):
            machine.peak_flops(fmt)
    for machine in (b200.replace(fp8=None), hs.get("tpu-v5p")):  # not described: not supported
        with pytest.raises(hs.UnsupportedFormatError):
            machine.peak_flops("mxfp8")


def test_no_dense_peak_is_an_error_not_zero():
    with pytest.raises(
        hs.UnknownValueError, match=r"rtx-pro-6000-workstation: no dense matrix peak is known .*NVIDIA's"
    ):
        hs.get("rtx-pro-6000-workstation").peak_flops("bf16")
    assert hs.get("rtx-pro-6000-workstation").formats == ()


def test_a_derived_peak_says_so():
    """Hand: 900,000 cores x 8 multiply-adds x 2 x 1.1 GHz; sibling: an eighth of the published sparse peak, to 2 %."""
    cs3 = hs.get("cs-3")
    assert cs3.peak_flops("bf16") == cs3.peak_flops("fp16") == 15_840e12
    assert cs3.matrix_engine.units * 8 * 2 * 1.1e9 == pytest.approx(cs3.peak_flops("bf16"), rel=1e-12)
    assert cs3.peak_flops("fp16") == pytest.approx(cs3.sparse_tflops.fp16 * 1e12 / 8, rel=0.02)
    assert cs3.source("peak_tflops.bf16").startswith("derived:")
    assert "assumed" in cs3.note("peak_tflops.bf16")
    assert "125 PFLOP/s" in cs3.note("peak_tflops.bf16")
    assert cs3.matrix_engine.clock_mhz is None  # assumed in the derivation, and no fact


def test_unknown_values_say_so():
    with pytest.raises(hs.UnknownValueError, match=r"l40s: scale_up is not known .*host link"):
        _ = hs.get("l40s").scale_up_bytes_per_s
    with pytest.raises(hs.UnknownValueError, match=r"gaudi-2: on_chip\.bandwidth_tb_s is not known"):
        hs.get("gaudi-2").require("on_chip.bandwidth_tb_s")
    with pytest.raises(hs.UnknownValueError, match="gaudi-2-hls: power_w is not known"):
        hs.get_server("gaudi-2-hls").require("power_w")
    with pytest.raises(hs.UnknownValueError, match="bandwidth_tb_s of this SRAM"):
        _ = hs.get("gaudi-2").on_chip.bytes_per_s
    with pytest.raises(hs.UnknownValueError, match="idle_w"):
        hs.get("h100-sxm").source("idle_w")
    with pytest.raises(
        hs.UnknownNameError, match=r"no field 'memory\.bandwith_tb_s'; did you mean memory\.bandwidth_tb_s"
    ):
        hs.get("h100-sxm").require("memory.bandwith_tb_s")


# -- names -------------------------------------------------------------------------------------------------------------

ALIASES = {
    "h100": "h100-sxm",
    "a100": "a100-sxm-80gb",
    "gh200": "gh200-96gb",
    "v100": "v100-sxm",
    "h200": "h200-sxm",
    "trillium": "tpu-v6e",
    "ironwood": "tpu-v7",
    "wse-3": "cs-3",
    "gaudi2": "gaudi-2",
    "H100 SXM": "h100-sxm",
    " Gaudi_2 ": "gaudi-2",
    "MI300X": "mi300x",
    "RTX  PRO 6000": "rtx-pro-6000-server",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias):
    assert hs.get(alias) is hs.get(ALIASES[alias])


def test_names_are_keys_in_order():
    for listing, find in ((hs.names, hs.get), (hs.server_names, hs.get_server), (hs.rack_names, hs.get_rack)):
        assert list(listing()) == sorted(set(listing()))
        assert all(find(key).key == key for key in listing())
    assert len(hs.names()) == 41


@pytest.mark.parametrize(("name", "close"), [("h10", "h100"), ("gaudi-4", "gaudi-2"), ("mi30x", "mi300x")])
def test_unknown_name_gives_close_ones(name, close):
    with pytest.raises(hs.UnknownNameError, match=f"unknown accelerator '{name}'; did you mean .*{close}") as caught:
        hs.get(name)
    assert isinstance(caught.value, KeyError)


def test_unknown_name_without_close_ones_says_where_to_look():
    with pytest.raises(hs.UnknownNameError, match=r"hardware_specs\.names\(\) lists"):
        hs.get("zzzzzz")
    with pytest.raises(hs.UnknownNameError, match=r"hardware_specs\.server_names\(\) lists"):
        hs.get_server("zzzzzz")
    with pytest.raises(hs.UnknownNameError, match=r"hardware_specs\.rack_names\(\) lists"):
        hs.get_rack("zzzzzz")


@pytest.mark.parametrize("name", [None, 100, b"h100"])
def test_a_name_is_a_text(name):
    with pytest.raises(TypeError, match="is a text"):
        hs.get(name)


# -- servers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", SERVERS)
def test_servers_hold_accelerators_of_the_catalogue(key):
    server = hs.get_server(key)
    assert server.accelerator in ACCELERATORS
    assert (
        server.power_w is None or server.power_w > server.accelerators * (hs.get(server.accelerator).tdp_w or 0) * 0.99
    )


def test_each_accelerator_has_at_most_one_standard_server():
    standard = [server.accelerator for server in map(hs.get_server, SERVERS) if server.standard]
    assert len(standard) == len(set(standard))
    assert {server.accelerator for server in map(hs.get_server, SERVERS)} == set(standard)


@pytest.mark.parametrize(
    ("accelerator", "server", "accelerators", "power_w"),
    [
        ("h100", "dgx-h100", 8, 10_200),
        ("a100-sxm-40gb", "dgx-a100-40gb", 8, 6_500),
        ("a100", "dgx-a100", 8, 6_500),
        ("h200", "dgx-h200", 8, 10_200),
        ("b200", "dgx-b200", 8, 14_300),
        ("b300", "dgx-b300", 8, 14_500),
        ("gb200", "gb200-nvl72", 72, 120_000),
        ("gaudi-2", "gaudi-2-hls", 8, None),
        ("gaudi-3", "gaudi-3-hls", 8, None),
        ("max-1550", "max-1550-6gpu", 6, None),
        ("sn40l", "sn40l-16", 16, 10_000),
        ("cs-3", "cs-3-system", 1, 23_000),
    ],
)
def test_standard_servers(accelerator, server, accelerators, power_w):
    """Published: vendors' guides; Brunetta Table I for the nodes of its study."""
    found = hs.standard_server(accelerator)
    assert (found.key, found.accelerators, found.power_w) == (server, accelerators, power_w)


def test_no_standard_server_says_how_to_describe_one():
    with pytest.raises(hs.UnknownValueError, match=r"no server of rtx-4090 .*Server\(key="):
        hs.standard_server("rtx-4090")
    with pytest.raises(hs.UnknownNameError):
        hs.standard_server("nothing")


# -- the package -------------------------------------------------------------------------------------------------------


def test_exports_are_sorted_and_there():
    assert sorted(hs.__all__) == sorted(set(hs.__all__))
    assert all(hasattr(hs, name) for name in hs.__all__)


def test_import_reads_no_catalogue_and_builds_no_schema():
    code = (
        "import sys, hardware_specs as hs\n"
        "from hardware_specs import catalog\n"
        "assert 'tomllib' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert catalog._files.cache_info().currsize == 0\n"
        "assert not hs.Accelerator.__pydantic_complete__\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
