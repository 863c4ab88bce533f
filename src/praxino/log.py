"""The one logger of the library; handlers belong to the program that uses it."""

import logging

logger = logging.getLogger("praxino")
