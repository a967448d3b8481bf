"""Makes a GPTQ model folder of a 16-bit checkpoint: ``midfill quantize``."""
