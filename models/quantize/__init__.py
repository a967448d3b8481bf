"""Makes a GPTQ model folder of a 16-bit checkpoint: ``python -m models.quantize``."""
