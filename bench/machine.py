"""Where a run took place: enough to tell whether two runs may be compared."""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def generation(family: int, model: int) -> str:
    """Name the generation of an AMD processor, whose names do not tell it; nothing of others."""
    if family == 25:
        return "Zen 4" if model >> 4 in (0x1, 0x6, 0x7, 0xA) else "Zen 3"
    return {23: "Zen 2" if model >= 0x30 else "Zen", 26: "Zen 5"}.get(family, "")


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    fields = dict(re.findall(r"^([^\t:]+)\s*: (.*)$", Path("/proc/cpuinfo").read_text().split("\n\n")[0], re.MULTILINE))
    numbers = [fields.get(key, "?") for key in ("cpu family", "model", "stepping")]
    amd = fields.get("vendor_id") == "AuthenticAMD"
    known = generation(int(numbers[0]), int(numbers[1])) if amd else ""
    return f"{fields.get('model name', platform.processor())} ({', '.join(filter(None, [known, '/'.join(numbers)]))})"


def commit() -> str:
    """The commit of the source, marked where files differ from it; "unknown" outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def describe() -> dict[str, Any]:
    """Processor, system, Python, commit and time."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
