"""What every section of the document is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

# What the kernel's poll waits for at most is 2**31 milliseconds.
WAIT_MAX_S = 24 * 86400
# A client's clock need not hold more seconds than 2**31 (RFC 9111 1.2.2).
EXPIRES_MAX_S = 3650 * 86400
SIZE_MAX = 2**62
COUNT_MAX = 2**31 - 1


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra='forbid')
