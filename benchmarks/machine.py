"""What a benchmark ran on, in the words of BENCHMARKS.md."""

from __future__ import annotations

import os
from pathlib import Path

from lapel.runtime import cores

CORES = cores()
_TOLD = {"amx_tile": "AMX", "avx512_bf16": "AVX-512-BF16", "avx512_vnni": "AVX-512-VNNI", "avx2": "AVX2"}


def machine() -> str:
    """Cores, processor and what it is quick at, and what else it has to do at the moment."""
    facts: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else []:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    quick = [told for flag, told in _TOLD.items() if flag in facts.get("flags", "").split()]
    name = facts.get("model name", "unknown processor")
    return f"{CORES} cores, {name} ({', '.join(quick)}), load {os.getloadavg()[0]:.1f} at the start"
