"""How a process ends that is there for one piece of work."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from gradfleet.errors import GradfleetError


def exit_code(work: Callable[[], object]) -> int:
    """Of a process that is there for `work`: 1 when it failed, with the reason as its last words on stderr."""
    try:
        work()
    except GradfleetError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0
