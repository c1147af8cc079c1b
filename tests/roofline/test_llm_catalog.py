"""The shipped LLMs: against published counts, against the shared facts, and how they are found and loaded."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hardware_specs import CatalogError, UnknownNameError
from hardware_specs._base import IDENTITY_FIELDS, leaves
from roofline import llm_catalog
from roofline.llm import LLM
from roofline.llm_catalog import get_llm, llm_names, load_llms

SHARED = Path(os.environ.get("INFERENCE_TCO_SHARED") or Path(__file__).parents[3] / "shared")
MODELS = [get_llm(key) for key in llm_names()]


def ids(llm: LLM) -> str:
    return llm.key


# -- against published figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("llm", [llm for llm in MODELS if llm.published_parameters], ids=ids)
def test_published_exact_counts(llm: LLM) -> None:
    # published: the source is in the entry; no tolerance
    assert llm.parameters == llm.published_parameters


def test_number_of_published_exact_counts() -> None:
    # published: facts/models.md counts 21; Llama 7B, Llama 3 8B and 70B and Qwen2 7B repeat the shapes of four of them;
    # BLOOM 7.1B, GPT-J 6B, OPT 6.7B and Qwen1.5 7B have sources of their own
    assert sum(llm.published_parameters is not None for llm in MODELS) == 21 + 4 + 4


TOLERANCE = 0.007  # facts/models.md: all but the following are closer than 0.7 %
TOTAL_EXCEPTIONS = {
    "llama-2-7b": (0.038, "the name rounds; the exact count matches"),
    "llama-2-70b": (0.015, "the name rounds; the exact count matches"),
    "qwen3-1.7b": (0.013, "the name rounds"),
    "qwen2.5-32b": (0.009, "the card rounds down; the exact count matches"),
    "mistral-small-3.1-24b": (0.018, "vision tower excluded; the exact count of the text part matches"),
    "llama-4-scout": (0.012, "vision encoder excluded; the exact count of the text part matches"),
    "kimi-k2": (0.014, "the report rounds up"),
    "kimi-k2.5": (0.014, "the report rounds up"),
    "falcon-180b": (0.009, "the name rounds"),
}
ACTIVE_EXCEPTIONS = {
    "deepseek-v2-lite": (0.022, "rounded down"),
    "deepseek-v2": (0.008, "rounded"),
    "deepseek-r1": (0.011, "rounded between the two conventions"),
    "kimi-k2": (0.010, "rounded up"),
    "kimi-k2.5": (0.010, "rounded up"),
    "minimax-m2.5": (0.042, "rounded down"),
    "qwen3-30b-a3b": (0.017, "rounded down"),
    "qwen3-30b-a3b-2507": (0.017, "rounded down"),
    "qwen3-coder-30b-a3b": (0.017, "rounded down"),
    "qwen3-235b-a22b": (0.009, "rounded down"),
    "qwen3-235b-a22b-2507": (0.009, "rounded down"),
    "qwen3-coder-480b-a35b": (0.014, "rounded between the two conventions"),
    "llama-4-scout": (0.011, "rounded"),
    "llama-4-maverick": (0.011, "rounded"),
}
# Families whose headline leaves the input embedding out.
EMBEDDING_EXCLUDED = {"deepseek", "kimi", "gpt-oss", "minimax"}


def _check(key: str, ours: float, published: float, exceptions: dict[str, tuple[float, str]]) -> None:
    error = abs(ours / published - 1)
    if key not in exceptions:
        assert error < TOLERANCE
    else:
        assert TOLERANCE <= error < exceptions[key][0], "an exception that is not needed, or not enough"


@pytest.mark.parametrize("llm", [llm for llm in MODELS if llm.published_total_b], ids=ids)
def test_published_totals(llm: LLM) -> None:
    # published: rounded headline figures
    _check(llm.key, llm.parameters / 1e9, llm.published_total_b or 0.0, TOTAL_EXCEPTIONS)


@pytest.mark.parametrize("llm", [llm for llm in MODELS if llm.published_active_b], ids=ids)
def test_published_active(llm: LLM) -> None:
    # published: rounded headline figures, in the vendor's own convention
    excluded = llm.family in EMBEDDING_EXCLUDED
    ours = llm.active_parameters_without_embedding if excluded else llm.active_parameters
    _check(llm.key, ours / 1e9, llm.published_active_b or 0.0, ACTIVE_EXCEPTIONS)


def test_every_mixture_has_a_published_active_figure() -> None:
    assert all((llm.published_active_b is not None) == (llm.moe is not None) for llm in MODELS)


# -- against the shared facts ------------------------------------------------------------------------------------------


def _facts() -> list[dict[str, str]]:
    file = SHARED / "facts" / "models.csv"
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


FACTS = _facts()
needs_facts = pytest.mark.skipif(not FACTS, reason=f"no {SHARED.name}/facts/models.csv (set INFERENCE_TCO_SHARED)")
RENAMED = {"DeepSeek-V3 / R1": "deepseek-r1"}  # all others: a key or an alias is the row's name in lower case


@needs_facts
def test_every_fact_has_an_entry() -> None:
    assert len({get_llm(RENAMED.get(row["model"], row["model"])).key for row in FACTS}) == len(FACTS) == 44


@needs_facts
@pytest.mark.parametrize("row", FACTS, ids=[row["model"] for row in FACTS])
def test_entry_equals_fact(row: dict[str, str]) -> None:
    # sibling: the facts' own figures and computed counts, and ours
    llm = get_llm(RENAMED.get(row["model"], row["model"]))
    moe, mla = llm.moe, llm.mla
    ours: dict[str, Any] = {
        "n_layers": llm.layers,
        "hidden": llm.hidden,
        "n_heads": llm.heads,
        "n_kv_heads": llm.kv_heads,
        "head_dim": llm.head_dim if mla is None else "",
        "vocab": llm.vocab,
        "tied_embeddings": llm.tied_embeddings,
        "max_context": llm.max_context,
        "n_experts": moe.experts if moe else "",
        "experts_per_token": moe.experts_per_token if moe else "",
        "n_shared_experts": moe.shared_experts if moe else "",
        "moe_intermediate": moe.expert_intermediate if moe else "",
        "q_lora_rank": (mla.q_lora_rank or "") if mla else "",
        "kv_lora_rank": mla.kv_lora_rank if mla else "",
        "qk_nope_head_dim": mla.qk_nope_head_dim if mla else "",
        "qk_rope_head_dim": mla.qk_rope_head_dim if mla else "",
        "v_head_dim": mla.v_head_dim if mla else "",
        "attn_bias": llm.attention_bias.replace("none", "no"),
        "published_exact": llm.published_parameters or "",
        "computed_total": llm.parameters,
        "computed_active_incl_embed": llm.active_parameters if moe else "",
        "computed_active_excl_input_embed": llm.active_parameters_without_embedding if moe else "",
    }
    if llm.intermediate is not None:  # where no layer is dense we keep none; the configuration may name one
        ours["intermediate_dense"] = llm.intermediate
    if row["first_k_dense"].isdigit() and moe:
        ours["first_k_dense"] = moe.first_dense_layers
    assert {column: str(value) for column, value in ours.items()} == {column: row[column] for column in ours}
    assert float(row["published_total_B"] or 0) == (llm.published_total_b or 0)
    assert float(row["published_active_B"] or 0) == (llm.published_active_b or 0)
    norm = {"none": "no", "head": "per-head RMSNorm", "l2": "L2 (no params)"}[llm.qk_norm]
    assert row["qk_norm"] == norm
    window = llm.sliding_window
    assert (row["sliding_window"] in ("", "none (null)")) == (window is None)
    assert window is None or str(window.window) in row["sliding_window"]


@needs_facts
def test_nemotron_layers_equal_facts() -> None:
    # sibling: the list of layers and our runs of equal ones
    layers = json.loads((SHARED / "facts" / "nemotron_super_49b_layers.json").read_text(encoding="utf-8"))
    blocks = get_llm("llama-3.3-nemotron-super-49b").blocks or ()
    ours = [(block.kv_heads, block.intermediate) for block in blocks for _ in range(block.count)]
    assert ours == [(layer["n_kv_heads"], layer["ffn"]) for layer in layers]


# -- sources -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("llm", MODELS, ids=ids)
def test_every_value_has_a_source(llm: LLM) -> None:
    # property: a default for all, a source of its own for each published figure, and none on a value that is absent
    assert llm.sources["default"]
    values = set(leaves(llm))
    assert all(llm.source(path) != "user" for path in values if path not in IDENTITY_FIELDS)
    for path in (*llm.sources, *llm.notes):
        assert path == "default" or any(value == path or value.startswith(f"{path}.") for value in values)
    published = {path for path in values if path.startswith("published_")}
    assert published == {path for path in llm.sources if path.startswith("published_")}


@pytest.mark.parametrize("llm", MODELS, ids=ids)
def test_json_round_trip(llm: LLM) -> None:
    # property
    assert LLM.model_validate_json(llm.model_dump_json()) == llm


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("llm", MODELS, ids=ids)
def test_every_name_finds_its_entry(llm: LLM) -> None:
    for name in (llm.key, llm.name, *llm.aliases, *llm.huggingface_ids):
        assert get_llm(name) is get_llm(name.upper()) is get_llm(f" {name.replace('-', '_')} ") is llm


@pytest.mark.parametrize(
    "key",
    [
        "llama-2-7b",
        "llama-3.1-8b",
        "llama-3.3-70b",
        "llama-3.3-nemotron-super-49b",
        "llama-4-scout",
        "qwen3-235b-a22b",
        "gemma-2-9b",
        "mistral-small-3.1-24b",
        "mixtral-8x7b",
        "deepseek-r1",
        "llama-3-8b",
        "llama-3-70b",
        "qwen2-7b",
        "qwen2-72b",
        "phi-3-mini-4k",
        "decilm-7b",
        "qwen1.5-7b",
        "gpt-j-6b",
        "opt-6.7b",
        "bloom-7b1",
        "aquila-7b",
    ],
)
def test_promised_keys(key: str) -> None:
    assert get_llm(key).key == key
    assert key in llm_names()


MEASURED = SHARED / "measured"
MAMBA = {"nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nvidia/NVIDIA-Nemotron-Nano-12B-v2"}


def _measured_models() -> set[str]:
    """The names of models in every file of measured runs."""
    names: set[str] = set()
    for file in sorted(MEASURED.rglob("*.csv")):
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            columns = [column for column in rows.fieldnames or () if column.strip().lower() == "model"]
            names |= {row[column] for row in rows for column in columns}
    for file in sorted(MEASURED.rglob("*.json")):
        names |= {row["UsedModel"] for row in json.loads(file.read_text(encoding="utf-8"))}
    return names


@pytest.mark.skipif(not MEASURED.is_dir(), reason=f"no {SHARED.name}/measured (set INFERENCE_TCO_SHARED)")
def test_every_measured_model_has_an_entry() -> None:
    # measured: all but two that are half Mamba: state-space layers, which the record does not hold
    names = _measured_models()
    assert len(names) > 40
    assert names >= MAMBA
    assert all(get_llm(name) for name in names - MAMBA)
    for name in MAMBA:
        with pytest.raises(UnknownNameError):
            get_llm(name)


def test_entries_of_the_same_shapes() -> None:
    # design: Llama 3 has 3.1's shapes with 8 k context, Qwen2 those of Qwen2.5; updates of July 2025 and of Kimi K2 see
    # further, and so does Llama 2
    about = {"key", "name", "aliases", "huggingface_ids", "sources", "notes"}
    for older, newer in (("llama-3-8b", "llama-3.1-8b"), ("llama-3-70b", "llama-3.1-70b")):
        assert get_llm(older).max_context == 8192
        assert get_llm(older).model_dump(exclude=about | {"max_context"}) == get_llm(newer).model_dump(
            exclude=about | {"max_context"}
        )
    for older, newer in (
        *(("llama-7b", "llama-2-7b"), ("kimi-k2", "kimi-k2.5")),
        *(("qwen3-30b-a3b", "qwen3-30b-a3b-2507"), ("qwen3-235b-a22b", "qwen3-235b-a22b-2507")),
    ):
        both = (get_llm(key) for key in (older, newer))
        shapes = [llm.model_dump(exclude=about | {"max_context", "published_total_b", "excluded"}) for llm in both]
        assert shapes[0] == shapes[1]
        assert get_llm(older).max_context < get_llm(newer).max_context
    for older, newer in (("qwen2-7b", "qwen2.5-7b"), ("qwen2-72b", "qwen2.5-72b")):
        assert get_llm(older).model_dump(exclude=about) == get_llm(newer).model_dump(exclude=about)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown LLM 'llama-3.1-9b'; did you mean llama-3.1-8b"):
        get_llm("llama-3.1-9b")
    with pytest.raises(UnknownNameError, match=r"roofline.llm_names\(\) lists those known"):
        get_llm("zzz")
    with pytest.raises(KeyError):
        get_llm("")
    number: Any = 7
    with pytest.raises(TypeError, match="a text, not int"):
        get_llm(number)


# -- a user's file -----------------------------------------------------------------------------------------------------

MINE = """
[mine]
family = "mine"
layers = 2
hidden = 64
heads = 4
kv_heads = 2
head_dim = 16
intermediate = 128
vocab = 1000
tied_embeddings = true
max_context = 512
"""


def test_load_changes_nothing_global(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE, encoding="utf-8")
    llms = load_llms(file)
    assert list(llms) == ["mine"]
    assert (llms["mine"].name, llms["mine"].source("layers")) == ("mine", "user")
    assert "mine" not in llm_names()
    with pytest.raises(UnknownNameError):
        get_llm("mine")


def test_load_json(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    llm = get_llm("llama-3.3-nemotron-super-49b")
    table = llm.model_dump(mode="json", exclude={"key"}, exclude_none=True)
    file.write_text(json.dumps({llm.key: table}), encoding="utf-8")
    assert load_llms(file) == {llm.key: llm}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINE + "layer = 3", r"mine.toml: \[mine\]: layer: unknown field; did you mean layers"),
        (MINE.replace("heads = 4", "heads = 5", 1), r"\[mine\]: kv_heads: should divide heads = 5, not 2"),
        (MINE.replace("layers = 2", "layers = 2.0"), r"\[mine\]: layers: should be a valid integer, not 2.0"),
        (MINE + 'key = "other"', r"\[mine\]: key: the header of the table is the key"),
        (
            MINE + 'aliases = ["mine"]\nhuggingface_ids = ["x"]' + MINE.replace("[mine]", "[x]"),
            "'x' already stands for",
        ),
        (MINE.replace("[mine]", '["My LLM"]'), r"\[My LLM\]: key: .*pattern"),
        ("mine = 3", "mine: should be a table that describes an LLM, not 3"),
        ("[mine", "mine.toml: cannot be read"),
    ],
)
def test_load_refuses(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=message):
        load_llms(file)


def test_load_refuses_what_is_no_table(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text("[1]", encoding="utf-8")
    with pytest.raises(CatalogError, match="one table per LLM"):
        load_llms(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError, match="cannot be read"):
        load_llms(file)


# -- a broken shipped file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.toml": MINE}, r"a.toml: \[mine\]: sources.default: is required"),
        (
            dict.fromkeys(("a.toml", "b.toml"), MINE + '[mine.sources]\ndefault = "x"'),
            r"b.toml: \[mine\]: another file has this key",
        ),
    ],
)
def test_shipped_files_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], message: str
) -> None:
    (tmp_path / "catalog").mkdir()
    for name, text in files.items():
        (tmp_path / "catalog" / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(CatalogError, match=message):
        llm_catalog._catalogue.__wrapped__()
