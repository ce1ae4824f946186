"""The messages of StarCraft II's API, whichever protobuf is installed.

`s2clientprotocol` was generated for protobuf before 4: later ones take it only in their Python
form, which must be asked for before protobuf is first imported. Importing this module raises an
`ImportError` where a package is missing or protobuf was imported in its compiled form before.
"""

from __future__ import annotations

import os
import warnings

PYTHON_FORM = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"

asked = os.environ.get(PYTHON_FORM)
os.environ[PYTHON_FORM] = "python"
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # one for each descriptor that is made
    try:
        from s2clientprotocol import sc2api_pb2
    except TypeError as error:
        raise ImportError("protobuf was loaded in its compiled form before") from error
if asked is None:
    del os.environ[PYTHON_FORM]  # child processes choose for themselves
else:
    os.environ[PYTHON_FORM] = asked

__all__ = ["sc2api_pb2"]
