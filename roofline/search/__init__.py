"""The best way to divide a model over several devices: every layout is tried, and none is dropped in silence.

>>> import hardware_specs as hs
>>> import roofline as rl
>>> best = best_layout(rl.get_llm("llama-3.3-70b"), hs.get("h100-sxm"), devices=2, precision="bf16")
>>> for option in best.table:
...     print(f"{option.layout}: {option.refused or f'{option.tokens_per_s:,.0f} tokens/s'}")
tensor parallel 2: ... tokens/s
pipeline parallel 2: ... tokens/s
data parallel 2: out of memory: the weights alone need 141.1 GB on each device, available 85.5 GB
"""

from __future__ import annotations

from roofline.search.best import best_layout
from roofline.search.divisions import layouts
from roofline.search.result import BestLayout, LayoutOption

__all__ = ["BestLayout", "LayoutOption", "best_layout", "layouts"]
