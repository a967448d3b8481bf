"""A server that answers with whatever its arguments say, and then waits for its end.

Each argument is a Python bytes literal without its quotes, sent as it stands.
"""

import ast
import os
import sys

if __name__ == "__main__":
    sys.stderr.write("first line\nlast words\n")
    sys.stderr.flush()
    os.read(0, 1 << 16)
    for argument in sys.argv[1:]:
        os.write(1, ast.literal_eval(f"b'''{argument}'''"))
    while os.read(0, 1 << 16):
        continue
