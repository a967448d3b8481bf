"""Static batching, as Hugging Face's ``generate`` does it; `batching` starts it.

A batch begins when it is full, or 50 ms after its first request came, and ends when the
longest of its answers does; all are given back then. Requests that come meanwhile wait.
The weights are random and of the model's shape, in 16 bits: of a shape, neither the
time nor the memory of the KV cache depends on the values. Each answer is as long as it
was in the load that is repeated.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load_clients import Record
from benchmarks.load_tap import Asked, record_of

__all__ = ["main"]

_FILL_S = 0.05
_IDLE_S = 0.001


@dataclass(slots=True, kw_only=True)
class Batches:
    """Runs batches of a model.

    Attributes:
        model: Of transformers.
        device: Where it runs.
        size: Requests of a full batch.
        most_kv_bytes: The largest KV cache of a batch.
    """

    model: Any
    device: str
    size: int
    most_kv_bytes: int = 0

    def run(self, batch: Sequence[Asked]) -> None:
        """Generate for a batch until its longest answer is there."""
        import torch  # noqa: PLC0415 - as transformers

        longest = max(len(each.token_ids) for each in batch)
        rows = [[0] * (longest - len(e.token_ids)) + [*e.token_ids] for e in batch]
        masks = [
            [0] * (longest - len(e.token_ids)) + [1] * len(e.token_ids) for e in batch
        ]
        tokens = max(_length(each) for each in batch)
        with torch.inference_mode():
            made = self.model.generate(
                torch.tensor(rows, device=self.device),
                attention_mask=torch.tensor(masks, device=self.device),
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                do_sample=False,
                use_cache=True,
                pad_token_id=0,
                return_dict_in_generate=True,
            )
        kv_bytes = sum(
            part.nbytes
            for layer in made.past_key_values.layers
            for part in (layer.keys, layer.values)
        )
        self.most_kv_bytes = max(self.most_kv_bytes, kv_bytes)

    def serve(self, asked: Sequence[Asked]) -> list[Record]:
        """Serve requests that come at their moments, and return their records."""
        records: list[Record] = []
        waiting = sorted(asked, key=lambda each: each.at_s)
        begin_s = time.perf_counter()
        while waiting:
            now_s = time.perf_counter() - begin_s
            here = [each for each in waiting if each.at_s <= now_s]
            gone = [each for each in here if (each.cancel_s or now_s) < now_s]
            records += [record_of(each, begin_s + each.at_s, None) for each in gone]
            here = [each for each in here if each not in gone][: self.size]
            is_full = len(here) == self.size
            if here and (is_full or now_s >= here[0].at_s + _FILL_S):
                self.run(here)
                end_s = time.perf_counter() - begin_s
                for each in here:
                    is_late = each.cancel_s is not None and each.cancel_s < end_s
                    made = None if is_late else _length(each)
                    records.append(record_of(each, begin_s + each.at_s, made))
                gone += here
            else:
                time.sleep(_IDLE_S)
            waiting = [each for each in waiting if each not in gone]
        return records


def _length(asked: Asked) -> int:
    """Return how many tokens the answer has; as many as allowed where that is open."""
    if asked.cancel_s is not None:
        return asked.max_tokens
    return max(1, asked.needed_tokens or asked.output_tokens)


def _load(folder: Path, device: str) -> Any:  # noqa: ANN401 - transformers has no types
    """Make a model of a folder's shape."""
    import torch  # noqa: PLC0415 - takes seconds
    from transformers import (  # noqa: PLC0415 - as above
        AutoConfig,
        AutoModelForCausalLM,
    )

    config = AutoConfig.from_pretrained(folder)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device(device):
        dtype = torch.float16 if device == "cuda" else torch.float32
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def main() -> int:
    """Repeat the loads, and print records and memory, a line of JSON for each load."""
    parser = argparse.ArgumentParser(description="Static batching.")
    parser.add_argument("loads", type=Path, nargs="+", help="what was asked, as JSON")
    parser.add_argument("--model", type=Path, required=True, help="its folder")
    parser.add_argument("--device", required=True)
    parser.add_argument("--size", type=int, required=True, help="of a full batch")
    arguments = parser.parse_args()
    model = _load(arguments.model, arguments.device)
    for path in arguments.loads:
        asked = [Asked(**each) for each in json.loads(path.read_text())]
        batches = Batches(model=model, device=arguments.device, size=arguments.size)
        batches.run(asked[:1])  # what is built at first use
        records = batches.serve(asked)
        answer = {
            "records": [dataclasses.asdict(each) for each in records],
            "most_mib": round(batches.most_kv_bytes / 2**20, 1),
        }
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
